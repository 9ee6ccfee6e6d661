import type { FlowConfig, FlowTimeouts } from '../config/config.js';
import { FlowState, TimeoutClass } from './codes.js';

const NEVER = 0x3fffffff;
const EMERGENCY = 16;

/** How long flows may be idle, seconds: suricata.yaml flow-timeouts. */
export class Timeouts {
  /** By emergency << 4 | TimeoutClass << 2 | FlowState. */
  private readonly seconds = new Int32Array(2 * EMERGENCY);

  constructor(config: FlowConfig['timeouts']) {
    this.set(TimeoutClass.Default, config.default);
    this.set(TimeoutClass.Tcp, config.tcp);
    this.set(TimeoutClass.Udp, config.udp);
    this.set(TimeoutClass.Icmp, config.icmp);
  }

  of(emergency: number, timeoutClass: number, state: number): number {
    return this.seconds[(emergency << 4) | (timeoutClass << 2) | state];
  }

  private set(timeoutClass: TimeoutClass, t: FlowTimeouts): void {
    const normal = [t.new, t.established, t.closed, t.bypassed];
    const emergency = [t.emergencyNew, t.emergencyEstablished, t.emergencyClosed, t.emergencyBypassed];
    for (let state = 0; state < FlowState.Count; state++) {
      this.seconds[(timeoutClass << 2) | state] = Math.min(normal[state], NEVER);
      this.seconds[EMERGENCY | (timeoutClass << 2) | state] = Math.min(emergency[state], normal[state], NEVER);
    }
  }
}
