import type { Log } from '../cli/log.js';
import type { Config } from '../config/config.js';
import { native } from '../native.js';
import { loadClassification, loadReferences } from '../rules/classification.js';
import { ruleContext } from '../rules/context.js';
import { loadRules } from '../rules/loader.js';
import type { RuleProblem, RuleSet } from '../rules/rule.js';

/** Loads the rules the configuration names; one log line for each that does not load. */
export function loadRuleSet(config: Config, files: string[], log: Log): RuleSet {
  const classifications = loadClassification(config.classificationFile);
  const references = loadReferences(config.referenceFile);
  for (const problem of [...classifications.problems, ...references.problems]) log.warn(problemLine(problem));
  const { matchLimit, matchLimitRecursion } = config.pcre;
  const context = ruleContext({
    addressGroups: config.vars.addressGroups,
    portGroups: config.vars.portGroups,
    classifications: classifications.entries,
    references: references.entries,
    checkPcre: (pattern, flags) => {
      try {
        native.pcreFree(native.pcreCompile(pattern, flags, matchLimit, matchLimitRecursion));
        return '';
      } catch (error) {
        return (error as Error).message;
      }
    },
  });
  const set = loadRules(files, context);
  for (const warning of set.warnings ?? []) log.warn(problemLine(warning));
  for (const problem of set.problems) log.error(problemLine(problem));
  log.info(`${set.files.length} rule files processed. ${set.rules.length} rules successfully loaded, ${set.problems.length} rules failed`);
  if (files.length === 0) log.warn('no rule files: nothing will be detected; name some with rule-files, -s or -S');
  return set;
}

/** `file:line: option: reason`, with the parts that are known. */
function problemLine(problem: RuleProblem): string {
  const where = problem.line > 0 ? `${problem.file}:${problem.line}` : problem.file;
  const sid = problem.sid > 0 ? ` (sid ${problem.sid})` : '';
  return `SLUICE_RULE: ${where}: ${problem.option === '' ? '' : `${problem.option}: `}${problem.reason}${sid}`;
}
