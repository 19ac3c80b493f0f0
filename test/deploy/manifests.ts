import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';

const ROOT = join(import.meta.dirname, '../..');

export const MANIFESTS = ['redis-deployment.yaml', 'lmdb-statefulset.yaml'] as const;
export type ManifestName = (typeof MANIFESTS)[number];

type Probe = { readonly httpGet?: { readonly path: string; readonly port: string } };
export type Container = {
  readonly name: string;
  readonly image: string;
  readonly restartPolicy?: string;
  readonly args?: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly startupProbe?: Probe;
  readonly livenessProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly lifecycle?: { readonly preStop?: { readonly exec?: { readonly command: readonly string[] } } };
  readonly securityContext?: {
    readonly allowPrivilegeEscalation?: boolean;
    readonly readOnlyRootFilesystem?: boolean;
    readonly capabilities?: { readonly drop?: readonly string[] };
  };
  readonly resources?: { readonly requests?: object; readonly limits?: { readonly memory?: string } };
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
};

export type PodSpec = {
  readonly terminationGracePeriodSeconds: number;
  readonly automountServiceAccountToken: boolean;
  readonly securityContext: {
    readonly runAsNonRoot: boolean;
    readonly runAsUser: number;
    readonly fsGroup?: number;
    readonly seccompProfile: { readonly type: string };
  };
  readonly initContainers: readonly Container[];
  readonly containers: readonly Container[];
  readonly volumes: readonly { readonly name: string; readonly configMap?: { readonly name: string } }[];
};

export type Resource = {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: {
    readonly replicas?: number;
    readonly selector?: unknown;
    readonly ports?: readonly { readonly targetPort: number }[];
    readonly template?: {
      readonly metadata: {
        readonly labels: Readonly<Record<string, string>>;
        readonly annotations: Readonly<Record<string, string>>;
      };
      readonly spec: PodSpec;
    };
    readonly volumeClaimTemplates?: readonly { readonly metadata: { readonly name: string } }[];
  };
};

export function rootFile(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

export function resourcesOf(name: ManifestName): readonly Resource[] {
  return parseAllDocuments(rootFile(`deploy/kubernetes/${name}`)).map((document) => {
    if (document.errors.length > 0) throw new Error(`${name}: ${document.errors[0]?.message}`);
    // The shape of a Kubernetes resource; what is not there shows as a failed assertion.
    return document.toJS() as Resource;
  });
}

export function resource(name: ManifestName, kind: string, called: string): Resource {
  const found = resourcesOf(name).find((one) => one.kind === kind && one.metadata.name === called);
  if (found === undefined) throw new Error(`${name} has no ${kind} ${called}`);
  return found;
}

export function workload(name: ManifestName): Resource {
  const found = resourcesOf(name).find((one) => one.kind === 'Deployment' || one.kind === 'StatefulSet');
  if (found === undefined) throw new Error(`${name} has no workload`);
  return found;
}

export function podOf(name: ManifestName): PodSpec {
  const pod = workload(name).spec?.template?.spec;
  if (pod === undefined) throw new Error(`${name} has no pod template`);
  return pod;
}

export function container(name: ManifestName, called: string): Container {
  const pod = podOf(name);
  const found = [...pod.initContainers, ...pod.containers].find((one) => one.name === called);
  if (found === undefined) throw new Error(`${name} has no container ${called}`);
  return found;
}

/** The text of onceward.yaml in the ConfigMap. */
export function oncewardYaml(name: ManifestName): string {
  return resource(name, 'ConfigMap', 'onceward').data?.['onceward.yaml'] ?? '';
}

/** What of it the other resources must agree with, as written. */
export type WrittenConfig = {
  readonly listen: string;
  readonly observe: { readonly listen: string };
  readonly admin: { readonly listen: string };
  readonly upstream: { readonly url: string };
  readonly drain: { readonly delay: string; readonly timeout: string };
};

export function writtenConfig(name: ManifestName): WrittenConfig {
  // Checked against the schema in manifest-config.test.ts.
  return parse(oncewardYaml(name)) as WrittenConfig;
}

export function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(':') + 1));
}
