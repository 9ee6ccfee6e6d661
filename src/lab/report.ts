import type { LabFiles } from './files.js';

/** What was expected of the run, and what became of it. */
export class Report {
  private readonly lines: string[] = [];
  private failed = 0;

  expect(what: string, ok: boolean, detail: string): void {
    if (!ok) this.failed++;
    this.lines.push(`  ${ok ? 'ok    ' : 'FAILED'}  ${what}${detail === '' ? '' : `: ${detail}`}`);
  }

  get ok(): boolean {
    return this.failed === 0;
  }

  /** The summary, ending with a verdict on the whole. */
  text(files: LabFiles): string {
    const verdict = this.ok ? 'The lab ran as it should.' : `The lab FAILED: ${this.failed} of ${this.lines.length} expectations not met.`;
    return ['', 'Summary', ...this.lines, `  logs    ${files.logs} (fast.log, eve.json, sluice.out)`, '', verdict].join('\n');
  }
}
