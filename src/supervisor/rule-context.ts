import type { Config } from '../config/config.js';
import { native } from '../native.js';
import { type ClassificationFile, loadClassification, loadReferences, type ReferenceFile } from '../rules/classification.js';
import type { RuleContext } from '../rules/context.js';

/** A RuleContext that can be sent to a thread, with what its expressions are compiled by. */
export interface PlainContext extends Omit<RuleContext, 'checkPcre'> {
  matchLimit: number;
  depthLimit: number;
}

/** What rules refer to by name, from the configuration and the files it names. */
export function plainContext(config: Config): { context: PlainContext; problems: (ClassificationFile | ReferenceFile)['problems'] } {
  const classifications = loadClassification(config.classificationFile);
  const references = loadReferences(config.referenceFile);
  return {
    context: {
      addressGroups: config.vars.addressGroups,
      portGroups: config.vars.portGroups,
      classifications: classifications.entries,
      references: references.entries,
      datasets: config.datasets,
      rulePath: config.rulePath,
      fileStore: config.outputs.fileStore !== undefined,
      matchLimit: config.pcre.matchLimit,
      depthLimit: config.pcre.matchLimitRecursion,
    },
    problems: [...classifications.problems, ...references.problems],
  };
}

/** With expressions compiled as the detecting threads will; equal ones once. */
export function checkedContext(plain: PlainContext): RuleContext {
  const { matchLimit, depthLimit, ...context } = plain;
  const known = new Map<string, string>();
  return {
    ...context,
    checkPcre: (pattern, flags) => {
      const key = `${flags}/${pattern}`;
      let answer = known.get(key);
      if (answer === undefined) {
        answer = '';
        try {
          native.pcreFree(native.pcreCompile(pattern, flags, matchLimit, depthLimit));
        } catch (error) {
          answer = (error as Error).message;
        }
        known.set(key, answer);
      }
      return answer;
    },
  };
}
