/** Events of protocol detection (user guide, "app-layer-event"): bits of Packet.protoEvents by number, names as EVE has them. */
export const enum ProtoEvent {
  /** Client and server speak different protocols. */
  MismatchBothDirections = 0,
  /** The server spoke first in a protocol in which the client does. */
  WrongDirectionFirstData = 1,
  /** One side's bytes told the protocol, the other's look like none. */
  OnlyOneDirection = 2,
  /** Given up: one side's bytes are none of ours, the other says nothing. */
  DetectionSkipped = 3,
  NoTlsAfterStartTls = 4,
  /** Another than the one that was announced. */
  UnexpectedProtocol = 5,
  Count = 6,
}
export const PROTO_EVENT_NAMES: readonly string[] = [
  'APPLAYER_MISMATCH_PROTOCOL_BOTH_DIRECTIONS',
  'APPLAYER_WRONG_DIRECTION_FIRST_DATA',
  'APPLAYER_DETECT_PROTOCOL_ONLY_ONE_DIRECTION',
  'APPLAYER_PROTO_DETECTION_SKIPPED',
  'APPLAYER_NO_TLS_AFTER_STARTTLS',
  'APPLAYER_UNEXPECTED_PROTOCOL',
];

/** Of a name in a rule, in lower case; -1: there is none. */
export function protoEventCode(name: string): number {
  return PROTO_EVENT_NAMES.indexOf(name.toUpperCase());
}
