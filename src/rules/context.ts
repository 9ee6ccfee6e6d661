import type { Classification } from './classification.js';
import type { DatasetsConfig } from './datasets.js';

/**
 * What a rule refers to by name. Treat it as frozen once a rule was parsed with it: resolved
 * variables are remembered per `addressGroups` / `portGroups` object.
 */
export interface RuleContext {
  /** suricata.yaml `vars.address-groups` and `vars.port-groups`, as written. */
  addressGroups: Readonly<Record<string, string>>;
  portGroups: Readonly<Record<string, string>>;
  /** Keys in lower case. */
  classifications: ReadonlyMap<string, Classification>;
  /** Reference type (lower case) to URL prefix. Empty: types are not checked. */
  references: ReadonlyMap<string, string>;
  /** Compiles a regular expression; returns '' or why it does not compile. Absent: not checked here. */
  checkPcre?: (pattern: string, flags: string) => string;
  /** suricata.yaml `geoip-database`. Absent: rules with geoip do not load. */
  geoipDatabase?: string;
  /** suricata.yaml `datasets`. Absent: Suricata's defaults. */
  datasets?: DatasetsConfig;
  /** Files are stored (outputs: file-store). */
  fileStore?: boolean;
  /** suricata.yaml `default-rule-path`, whole. Absent or '': none. */
  rulePath?: string;
}

/** A context from the parts that are there. */
export function ruleContext(parts: Partial<RuleContext> = {}): RuleContext {
  return {
    addressGroups: parts.addressGroups ?? {},
    portGroups: parts.portGroups ?? {},
    classifications: parts.classifications ?? new Map(),
    references: parts.references ?? new Map(),
    checkPcre: parts.checkPcre,
    geoipDatabase: parts.geoipDatabase,
    datasets: parts.datasets,
    fileStore: parts.fileStore,
    rulePath: parts.rulePath,
  };
}
