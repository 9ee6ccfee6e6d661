import { APP_TYPE_NAMES } from '../app-layer/buffers.js';
import type { Config } from '../config/config.js';

/** What an EventEncoder makes records of, and how much it puts into them. */
export interface EncoderOptions {
  payload: boolean;
  packet: boolean;
  /** Most payload bytes in a record. */
  payloadBufferSize: number;
  /** `start`: of the packets dropped because their flow is, one per direction (eve `drop.flows`). Default `all`. */
  dropFlows?: 'all' | 'start';
  /** false: nobody writes drop records, so none are made. Default true. */
  drops?: boolean;
  /** false: nobody writes flow records, so none are made. Default true. */
  flows?: boolean;
  /** Decode events, stream events, those of protocols and their detection: whether somebody writes records of them. Default false. */
  anomalies?: { decode: boolean; stream: boolean; applayer?: boolean; packetHeader: boolean };
  /** Ethernet addresses of flows are logged. Default false. */
  macs?: boolean;
  /** What rules leave on flows is logged (flowbits, ...). Default false. */
  state?: boolean;
  /** Somebody writes records of tagged packets. Default false. */
  tagged?: boolean;
  /** AppProtos whose transactions somebody writes records of; whether alerts have the record of their transaction. Default none, false. */
  app?: readonly number[];
  appAlerts?: boolean;
  /** Files are logged. */
  files?: boolean;
}

/** What any of the logs of a configuration wants. */
export function encoderOptions(config: Config): EncoderOptions {
  const eves = [config.outputs.eve, ...(config.outputs.otherEves ?? [])].filter((eve) => eve.enabled);
  const alerts = eves.filter((eve) => eve.alert.enabled);
  const drops = eves.filter((eve) => eve.drop.enabled);
  return {
    payload: alerts.some((eve) => eve.alert.payload || eve.alert.payloadPrintable),
    packet: alerts.some((eve) => eve.alert.packet),
    payloadBufferSize: Math.max(0, ...alerts.map((eve) => eve.alert.payloadBufferSize)),
    dropFlows: drops.some((eve) => eve.drop.flows === 'all') ? 'all' : 'start',
    drops: drops.length > 0,
    flows: eves.some((eve) => eve.flow || eve.netflow),
    anomalies: {
      decode: eves.some((eve) => eve.anomaly.decode),
      stream: eves.some((eve) => eve.anomaly.stream),
      applayer: eves.some((eve) => eve.anomaly.applayer),
      packetHeader: eves.some((eve) => eve.anomaly.packetHeader),
    },
    macs: eves.some((eve) => eve.ethernet),
    state: eves.some((eve) => eve.metadata !== false),
    tagged: alerts.some((eve) => eve.alert.taggedPackets),
    app: eves.flatMap((eve) => (eve.app ?? []).map((type) => APP_TYPE_NAMES.indexOf(type))),
    files: eves.some((eve) => eve.files === true) || config.outputs.fileStore?.writeFileinfo === true,
    appAlerts: alerts.some((eve) => eve.alert.appLayer !== false || eve.alert.xff !== undefined),
  };
}
