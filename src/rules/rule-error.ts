/** Why a rule does not load. The only thing the parser throws; the loader turns it into a RuleProblem. */
export class RuleError extends Error {
  constructor(
    /** The option at fault; '' for the header or the rule as a whole. */
    readonly option: string,
    /** What is wrong and, where there is one, the mend. */
    readonly reason: string,
  ) {
    super(option === '' ? reason : `${option}: ${reason}`);
    this.name = 'RuleError';
  }
}
