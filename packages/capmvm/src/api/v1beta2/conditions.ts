/**
 * Conditions and their reasons, each with what it means. A reconciler writes no other; the reference of conditions is made of these tables.
 *
 * Types and reasons are spelled after the conventions of Cluster API v1beta2: positive polarity, `Ready` is the summary, `Paused` is always there, `Deleting` is True
 * while an object goes away. What is not decided yet is Unknown.
 */
export interface ConditionMeaning {
  readonly means: string;
  /** Reason to meaning. */
  readonly reasons: Readonly<Record<string, string>>;
}

const paused = {
  means: "Whether the object is left alone because it, or its Cluster, is paused.",
  reasons: {
    Paused: "The Cluster has spec.paused, or the object the annotation cluster.x-k8s.io/paused: nothing is done.",
    NotPaused: "The object is reconciled.",
  },
} as const;

const ready = {
  means: "The summary of the other conditions; Cluster API mirrors it as InfrastructureReady.",
  reasons: {
    Ready: "Everything that was asked for is there.",
    NotReady: "Something is missing or broken; the message repeats which condition says so.",
    ReadyUnknown: "It cannot be told now; the message repeats which condition says so.",
    Deleting: "The object is being deleted.",
  },
} as const;

export const clusterConditions = {
  Ready: ready as typeof ready,
  Paused: paused as typeof paused,
  EndpointAvailable: {
    means: "Whether the address of the control plane is known.",
    reasons: {
      Available: "It is set in spec.controlPlaneEndpoint, or the Cluster has one.",
      WaitingForEndpoint: "Neither the Cluster, nor the MicrovmCluster, nor an address pool gives one yet.",
      WaitingForAddress: "The address was claimed from an IPAM provider that has not answered yet.",
      AddressPoolExhausted: "Every address of controlPlaneAddressPool is in use by another cluster.",
      AddressPoolInvalid: "The field controlPlaneAddressPool cannot be used as it is; the message says why.",
      EndpointChanged: "The Cluster and the MicrovmCluster name different endpoints.",
    },
  },
  HostsAvailable: {
    means: "Whether the hosts of the pool can be reached.",
    reasons: {
      Available: "All hosts answer.",
      SomeUnavailable: "Some hosts do not answer or refuse us; status.hosts says which and why.",
      NoneAvailable: "No host answers.",
      Probing: "The hosts have been asked and have not answered yet.",
      NoHosts: "The pool is empty.",
      AccessSecretMissing: "A secret that spec.hostAccess names is not there, or lacks a key.",
      AccessSecretInvalid: "A secret that spec.hostAccess names holds what cannot be used.",
    },
  },
  ControlPlaneReachable: {
    means: "Whether the API server of the workload cluster answers at the endpoint. Upstream's LoadBalancerAvailable.",
    reasons: {
      Reachable: "It answers and has nodes.",
      WaitingForEndpoint: "There is no endpoint yet.",
      WaitingForControlPlane: "The control plane is not initialised yet; nobody is expected to answer.",
      Unreachable: "It does not answer.",
      NoNodes: "It answers and has no node yet.",
      KubeconfigInvalid: "The secret <cluster>-kubeconfig cannot be used.",
    },
  },
  Deleting: {
    means: "Whether the object is being deleted, and what that waits for.",
    reasons: {
      NotDeleting: "It is not.",
      Deleting: "It is going away.",
      WaitingForMachines: "MicrovmMachines of the cluster are still there.",
      WaitingForAddressRelease: "The claimed address has not been given back yet.",
    },
  },
} as const;

export const machineConditions = {
  Ready: ready as typeof ready,
  Paused: paused as typeof paused,
  BootstrapDataAvailable: {
    means: "Whether the data that makes the guest a node is there and can be used.",
    reasons: {
      Available: "The secret is there and holds cloud-config.",
      WaitingForBootstrapData: "The bootstrap provider has not made it yet.",
      SecretMissing: "Machine.spec.bootstrap.dataSecretName names a secret that is not there.",
      DataInvalid: "The secret has no key value, or an empty one.",
      FormatUnsupported: "The secret's format is not cloud-config; ignition cannot be used with microVMs.",
      DataTooLarge: "The data is larger than a host takes.",
    },
  },
  HostReachable: {
    means: "Whether the host of the microVM answers.",
    reasons: {
      Reachable: "It does.",
      NotPlaced: "No host has been chosen yet.",
      Connecting: "It was asked and has not answered yet.",
      Unreachable: "It does not answer.",
      AccessRefused: "It refuses our credentials.",
      AccessSecretMissing: "A secret that the MicrovmCluster's hostAccess names is not there, or lacks a key.",
      AccessSecretInvalid: "A secret that the MicrovmCluster's hostAccess names holds what cannot be used.",
    },
  },
  VMProvisioned: {
    means: "Whether the microVM runs. Upstream's MicrovmReady.",
    reasons: {
      Provisioned: "Its host says that it runs.",
      WaitingForClusterInfrastructure: "The infrastructure of the cluster is not provisioned yet.",
      WaitingForBootstrapData: "BootstrapDataAvailable says what is missing.",
      WaitingForHost: "HostReachable says what is missing.",
      NoHostFits: "No host of the pool has room or what is asked for; the message names the shortage for each.",
      FailureDomainUnknown: "Machine.spec.failureDomain names no host of the pool.",
      Creating: "The host was asked to create it.",
      Pending: "The host is creating it.",
      CreateRefused:
        "The host refuses the request as it is; the message says why. Nothing changes until the spec does.",
      CreateFailed: "The request failed and is repeated.",
      Failed: "The host says that it failed.",
      NotRunning: "It was provisioned and its process has ended.",
      Vanished:
        "It was provisioned and its host knows it no more. It is not made again: remediation replaces the Machine.",
      NameTaken:
        "The host has a microVM of this name that was made for somebody else; it is neither adopted nor deleted.",
      ProviderIDInvalid:
        "The field spec.providerID is not of the form microvm://<host:port>/<uid>, or was changed by hand.",
      UnknownState: "The host tells a state that is not known.",
      Deleting: "It is being deleted.",
      DeleteFailed: "Deleting it failed and is repeated.",
    },
  },
  GuestReady: {
    means: "What the guest's agent says; for information, Ready does not wait for it.",
    reasons: {
      GuestReady: "It says that it is ready.",
      GuestNotReady: "It has not said so yet.",
      NotReported: "The host does not tell.",
    },
  },
  Deleting: {
    means: "Whether the object is being deleted, and what that waits for.",
    reasons: {
      NotDeleting: "It is not.",
      Deleting: "It is going away.",
      WaitingForVM: "The host is deleting the microVM.",
      HostUnreachable:
        "The host does not answer, so the microVM may still run. With the annotation capmvm.liquidmetal.dev/abandon-unreachable-host the deletion goes on without.",
      AccessSecretMissing: "The secrets to reach the host are not there.",
      DeleteFailed: "The host refuses or fails to delete it; the message says why.",
      Abandoned: "The microVM was left on a host that cannot be reached, as asked.",
    },
  },
} as const;

export const machinePoolConditions = {
  Ready: ready as typeof ready,
  Paused: paused as typeof paused,
  ReplicasAvailable: {
    means: "Whether as many microVMs run as the MachinePool asks for.",
    reasons: {
      Available: "They do.",
      ScalingUp: "Machines are being made.",
      ScalingDown: "Machines are being deleted.",
      RollingOut: "Machines of an older template are being replaced.",
      WaitingForClusterInfrastructure: "The infrastructure of the cluster is not provisioned yet.",
      WaitingForBootstrapData: "The bootstrap provider has not made it yet.",
      MachinesNotReady: "Some machines are not ready; the message names them.",
      CreateRefused: "The API server makes no machine (a quota, a webhook, missing rights); the message has its words.",
      OwnerDeleting: "The MachinePool or the Cluster is being deleted: no machine is made.",
    },
  },
  Deleting: {
    means: "Whether the object is being deleted, and what that waits for.",
    reasons: {
      NotDeleting: "It is not.",
      Deleting: "It is going away.",
      WaitingForMachines: "Machines of the pool are still there.",
    },
  },
} as const;

export type ClusterConditionType = keyof typeof clusterConditions;
export type ClusterReason<T extends ClusterConditionType> = keyof (typeof clusterConditions)[T]["reasons"];
export type MachineConditionType = keyof typeof machineConditions;
export type MachineReason<T extends MachineConditionType> = keyof (typeof machineConditions)[T]["reasons"];
export type MachinePoolConditionType = keyof typeof machinePoolConditions;
export type MachinePoolReason<T extends MachinePoolConditionType> = keyof (typeof machinePoolConditions)[T]["reasons"];
