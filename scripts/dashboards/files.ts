/** The files of the dashboards and what is in them, formatted like the rest of the project. */
import path from 'node:path';
import { format } from 'prettier';
import { grafanaJson } from './grafana.ts';
import { overview } from './overview.ts';
import { service } from './service.ts';

const FOLDER = path.resolve(import.meta.dirname, '../../observability/grafana/dashboards');

/** Path and text of each. */
export async function dashboardFiles(): Promise<[file: string, text: string][]> {
  return Promise.all(
    [overview, service].map(async (dashboard): Promise<[string, string]> => {
      const text = await format(JSON.stringify(grafanaJson(dashboard)), { parser: 'json', printWidth: 120 });
      return [path.join(FOLDER, `${dashboard.uid}.json`), text];
    }),
  );
}
