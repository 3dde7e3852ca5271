/** What the pictures have in common: small SVG by hand, readable on light and dark pages, with a title for those who cannot see it. */

/** Colours of services: told apart with any kind of colour vision, and visible on white and on black. */
const COLOURS = ['#3b82c4', '#d97706', '#0d9488', '#b5489b', '#7c8a2b', '#8b5cf6'];

const STYLE = [
  'text{font:13px system-ui,sans-serif;fill:#1f2328}',
  '.head{font-size:15px;font-weight:600}',
  '.dim{fill:#59636e;font-size:12px}',
  '.grid{stroke:#d1d9e0}',
  '@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.dim{fill:#9198a1}.grid{stroke:#3d444d}}',
].join('');

/** What a picture is, in words. */
export interface Caption {
  readonly title: string;
  /** What there is to see. */
  readonly description: string;
}

/** A whole picture, on no background. */
export function svg(width: number, height: number, { title, description }: Caption, body: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ` +
      'role="img" aria-labelledby="title description">',
    `<title id="title">${escape(title)}</title>`,
    `<desc id="description">${escape(description)}</desc>`,
    `<style>${STYLE}</style>`,
    ...body,
    '</svg>',
    '',
  ].join('\n');
}

/** Text at a place; `look` is a class of the style, and whatever else the element is to have. */
export function text(x: number, y: number, words: string, look = ''): string {
  return `<text x="${round(x)}" y="${round(y)}"${look === '' ? '' : ` ${look}`}>${escape(words)}</text>`;
}

/** The colour of each name, by their order. */
export function coloursOf(names: readonly string[]): ReadonlyMap<string, string> {
  return new Map(names.map((name, index) => [name, COLOURS[index % COLOURS.length] ?? '#888']));
}

/** Steps for an axis from 0 to `highest`: at most five, each 1, 2 or 5 times a power of ten. */
export function stepsOf(highest: number): number[] {
  if (!(highest > 0)) return [0];
  const power = 10 ** Math.floor(Math.log10(highest / 5));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => highest / one <= 5) ?? 10 * power;
  return Array.from({ length: Math.floor(highest / step + 1e-9) + 1 }, (_, index) =>
    Number((index * step).toPrecision(6)),
  );
}

/** Two decimals are a hundredth of a pixel. */
export function round(value: number): number {
  return Math.round(value * 100) / 100;
}

export function escape(words: string): string {
  return words.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
