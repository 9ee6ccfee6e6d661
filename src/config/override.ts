import { SluiceError } from '../errors.js';
import { type ConfNode, shown } from './tree.js';

const COMMAND_LINE = 'command line --set';

/**
 * `--set a.b.0.c=value` on the merged tree (user guide, "Command Line Options"): changes a value or adds a
 * key; an entry of a list must be there already, because a new one has no place in the order, save for the first of a new list.
 */
export function applySet(tree: ConfNode, key: string, value: string): void {
  const steps = key.trim().split('.');
  if (steps.some((step) => step === '')) {
    throw new SluiceError('SLUICE_CONFIG', `--set ${shown(`${key}=${value}`)}: the key has an empty part; write it as section.key=value`);
  }
  let node = tree;
  const done: string[] = [];
  for (const step of steps) {
    if (node.isSequence && !node.children.has(step)) {
      const size = node.children.size;
      const entries = size === 0 ? 'is empty' : `has the entries 0 to ${size - 1}`;
      throw new SluiceError(
        'SLUICE_CONFIG',
        `--set ${shown(`${key}=${value}`)}: no entry ${shown(step)}: the list ${shown(done.join('.'))} ${entries}; see --dump-config`,
      );
    }
    const parent = node;
    if (step === '0' && parent !== tree && parent.children.size === 0 && (parent.value === null || parent.value === ''))
      parent.isSequence = true;
    node = node.ensure(step, COMMAND_LINE, 0);
    done.push(step);
    // A scalar that gains children is a section from now on, an entry of a list keeps its name.
    if (parent !== tree && parent.value !== null && !/^\d+$/.test(parent.name)) parent.value = null;
  }
  node.clear(COMMAND_LINE, 0);
  node.value = value.trim();
}
