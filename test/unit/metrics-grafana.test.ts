import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse } from 'yaml';
import { DASHBOARD_FILE, dashboardText } from '../../grafana/dashboard.js';
import { buildRegistry } from '../../src/metrics/registry.js';
import { sources } from './metrics-fixture.js';

/** Series name -> labels, as a scrape shows them, and those Prometheus adds. */
async function exposed(): Promise<Map<string, Set<string>>> {
  const series = new Map<string, Set<string>>();
  for (const line of (await buildRegistry(sources()).metrics()).split('\n')) {
    const match = /^(sluice_\w+)(?:\{(.*)\})? /.exec(line);
    if (match === null) continue;
    const labels = series.get(match[1]) ?? new Set(['instance', 'job']);
    for (const [, label] of (match[2] ?? '').matchAll(/(\w+)="/g)) labels.add(label);
    series.set(match[1], labels);
  }
  return series;
}

function check(expression: string, series: Map<string, Set<string>>): void {
  const used = [...expression.matchAll(/(sluice_\w+)(?:\{([^}]*)\})?/g)];
  assert.ok(used.length > 0, expression);
  for (const [, name, selector] of used) {
    const labels = series.get(name);
    assert.ok(labels, `${name} is not exposed: ${expression}`);
    for (const [, label] of (selector ?? '').matchAll(/(\w+)(?:=~|!~|!=|=)"/g))
      assert.ok(labels.has(label), `${name} has no label ${label}`);
    for (const [, by] of expression.matchAll(/\bby \(([^)]*)\)/g))
      for (const label of by.split(',').map((l) => l.trim())) assert.ok(labels.has(label), `${name} has no label ${label}: ${expression}`);
  }
}

test('the dashboard asks only for what the registry exposes', async () => {
  const series = await exposed();
  const panels = JSON.parse(readFileSync(DASHBOARD_FILE, 'utf8')).panels as { title: string; targets?: { expr: string }[] }[];
  const expressions = panels.flatMap((panel) => (panel.targets ?? []).map((target) => target.expr));
  assert.ok(expressions.length > 25);
  for (const expression of expressions) check(expression, series);
  for (const panel of panels) if (panel.targets !== undefined) assert.ok(panel.targets.length > 0, panel.title);
});

test('the dashboard file is what its source makes', () => {
  assert.equal(readFileSync(DASHBOARD_FILE, 'utf8'), dashboardText(), 'run node dist/grafana/dashboard.js');
});

test('the alert rules ask only for what the registry exposes, and say what happened', async () => {
  const series = await exposed();
  const file = parse(readFileSync(new URL('./alerts.yaml', `file://${DASHBOARD_FILE}`), 'utf8'));
  const rules = file.groups[0].rules as {
    alert: string;
    expr: string;
    labels: { severity: string };
    annotations: { summary: string; description: string };
  }[];
  assert.ok(rules.length >= 10);
  for (const rule of rules) {
    check(rule.expr, series);
    assert.match(rule.labels.severity, /^(critical|warning|info)$/);
    assert.ok(rule.annotations.summary.length > 10 && rule.annotations.description.length > 10, rule.alert);
  }
});
