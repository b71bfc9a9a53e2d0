import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { describePrometheus, MONITORING, monitoringQueries } from '../support/prometheus.js';

/** What the program prints. @throws when it finds a fault */
const run = (program: string, ...args: string[]): string =>
  execFileSync(program, args, { cwd: MONITORING, encoding: 'utf8', stdio: 'pipe' });

describePrometheus('the example configuration', () => {
  test('is right for Prometheus, its rules included', () => {
    expect(run('promtool', 'check', 'config', 'prometheus.yml')).toContain('SUCCESS');
    expect(run('promtool', 'check', 'rules', 'alerts.yml')).toContain('SUCCESS');
  });

  // A process of its own that works for long on a busy machine.
  test('has alerts that fire when they should, and not before', { timeout: 300_000 }, () => {
    for (const file of ['alerts_test.yml', 'alerts_drill_test.yml'])
      expect(run('promtool', 'test', 'rules', file)).toContain('SUCCESS');
  });

  test('is right for the blackbox exporter', () => {
    run('prometheus-blackbox-exporter', '--config.check', '--config.file=blackbox.yml');
  });

  test('is right for Alertmanager', () => {
    expect(run('amtool', 'check-config', 'alertmanager.yml')).toContain('SUCCESS');
  });

  test.each([
    ['ServiceDown', 'vcl2,vcl3,people'],
    ['BackupStale', 'people'],
    ['DiskFull', 'people'],
  ])('sends %s to %s', (alert, receivers) => {
    const file = '--config.file=alertmanager.yml';
    const printed = run('amtool', 'config', 'routes', 'test', file, `alertname=${alert}`);
    expect(printed.trim()).toBe(receivers);
  });

  test('has a dashboard that asks what Prometheus understands', () => {
    const { dashboard } = monitoringQueries();
    expect(dashboard.length).toBeGreaterThan(10);
    const rules = dashboard.map((expr, index) => ({
      record: `panel_${index}`,
      expr: expr.replaceAll('$__rate_interval', '5m'),
    }));
    const directory = mkdtempSync(join(tmpdir(), 'dashboard-'));
    try {
      const file = join(directory, 'rules.yml');
      writeFileSync(file, stringify({ groups: [{ name: 'dashboard', rules }] }));
      expect(run('promtool', 'check', 'rules', file)).toContain('SUCCESS');
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
