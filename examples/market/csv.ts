/** CSV as the demo's files have it: a line of names, then values, no quotes. What does not fit is an error. */

/** One line, by the names of the first. */
export class CsvRecord {
  readonly #fields: ReadonlyMap<string, string>;
  readonly #line: number;

  constructor(fields: ReadonlyMap<string, string>, line: number) {
    this.#fields = fields;
    this.#line = line;
  }

  text(name: string): string {
    const value = this.#fields.get(name);
    if (value === undefined || value === '') throw new Error(`line ${this.#line}: no ${name}`);
    return value;
  }

  number(name: string): number {
    const value = Number(this.text(name));
    if (!Number.isFinite(value)) throw new Error(`line ${this.#line}: ${name} is not a number`);
    return value;
  }
}

/** @throws Error when a line has more or fewer values than there are names */
export function parseCsv(text: string): CsvRecord[] {
  const [head = '', ...lines] = text.trimEnd().split(/\r?\n/);
  const names = head.split(',');
  return lines.map((line, index) => {
    const values = line.split(',');
    if (values.length !== names.length)
      throw new Error(`line ${index + 2}: ${values.length} values, not ${names.length}`);
    return new CsvRecord(new Map(values.map((value, column) => [names[column] ?? '', value])), index + 2);
  });
}
