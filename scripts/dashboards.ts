/**
 * Writes the Grafana dashboards of observability/grafana/dashboards from their descriptions in scripts/dashboards.
 *
 *   npm run dashboards
 *
 * A test fails when the files differ from what this would write: change the descriptions, not the files.
 */
import { writeFileSync } from 'node:fs';
import { dashboardFiles } from './dashboards/files.ts';

for (const [file, text] of await dashboardFiles()) writeFileSync(file, text);
