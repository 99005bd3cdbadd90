/** The templates of clusters as a release has them: the same as `lm cluster create` uses. */
export { composeTemplates } from "../../packages/cli/src/cluster/template/compose-templates.ts";
