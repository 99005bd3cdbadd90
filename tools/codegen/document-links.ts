/** Links between Markdown files: which of them lead nowhere. Addresses of the web are left alone. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";

/** One line for each link whose file, or whose heading in it, is not there: `docs/a.md:12: b.md#c leads nowhere`. */
export function brokenLinks(root: string, file: string, text: string): readonly string[] {
  return linksOf(text).flatMap(({ target, line }) => {
    if (/^[a-z][a-z0-9+.-]*:/i.test(target)) return [];
    const [path = "", anchor = ""] = target.split("#");
    const absolute = path === "" ? join(root, file) : join(root, dirname(file), decodeURIComponent(path));
    const inside = !relative(root, absolute).startsWith("..");
    if (inside && existsSync(absolute) && (anchor === "" || hasHeading(absolute, anchor))) return [];
    return [`${file}:${line}: ${target} leads nowhere`];
  });
}

interface Link {
  readonly target: string;
  readonly line: number;
}

function linksOf(text: string): readonly Link[] {
  return proseLines(text).flatMap(({ line, text: prose }) =>
    [...prose.replaceAll(/`[^`]*`/g, "").matchAll(/\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)/g)].map(([, target = ""]) => ({
      target,
      line,
    })),
  );
}

function hasHeading(file: string, anchor: string): boolean {
  if (!file.endsWith(".md") || statSync(file).isDirectory()) return false;
  const seen = new Map<string, number>();
  return proseLines(readFileSync(file, "utf8")).some(({ text }) => {
    const title = /^#{1,6}\s+(.+?)\s*#*$/.exec(text)?.[1];
    if (title === undefined) return false;
    const slug = slugOf(title);
    const count = seen.get(slug) ?? 0;
    seen.set(slug, count + 1);
    return anchor === (count === 0 ? slug : `${slug}-${count}`);
  });
}

/** As GitHub makes anchors of headings. */
function slugOf(title: string): string {
  return title
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
    .replaceAll(/\s/g, "-");
}

/** Lines outside of fenced blocks. */
function proseLines(text: string): readonly { readonly line: number; readonly text: string }[] {
  let fence = "";
  return text.split("\n").flatMap((each, index) => {
    const mark = /^\s*(`{3,}|~{3,})/.exec(each)?.[1] ?? "";
    if (fence !== "") {
      if (mark.startsWith(fence)) fence = "";
      return [];
    }
    if (mark !== "") {
      fence = mark;
      return [];
    }
    return [{ line: index + 1, text: each }];
  });
}
