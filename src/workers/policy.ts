import type { ExceptionPolicy } from '../ring/verdict.js';

/** Exception policies as codes (user guide, "Exception Policies"). */
export const enum Policy {
  Ignore = 0,
  DropFlow = 1,
  DropPacket = 2,
  PassFlow = 3,
  PassPacket = 4,
  Bypass = 5,
  Reject = 6,
}

/** `auto` comes resolved by the configuration. */
export function policyCode(policy: ExceptionPolicy): Policy {
  switch (policy) {
    case 'drop-flow':
    case 'auto':
      return Policy.DropFlow;
    case 'drop-packet':
      return Policy.DropPacket;
    case 'pass-flow':
      return Policy.PassFlow;
    case 'bypass':
      return Policy.Bypass;
    case 'reject':
      return Policy.Reject;
    case 'pass-packet':
      return Policy.PassPacket;
    case 'ignore':
      return Policy.Ignore;
  }
}
