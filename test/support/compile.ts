/** Asks the TypeScript compiler about texts, for tests of types and of code in documents. */
import path from 'node:path';
import ts from 'typescript';

const ROOT = path.resolve(import.meta.dirname, '../..');

/** What the compiler says about files of these paths and texts, under the options of the project: `file:line: message`. */
export function complaints(files: Readonly<Record<string, string>>): string[] {
  const { config } = ts.readConfigFile(path.join(ROOT, 'tsconfig.json'), (file) => ts.sys.readFile(file)) as {
    config: object;
  };
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files: [] }, ts.sys, ROOT);
  const host = ts.createCompilerHost(options);
  const [fileExists, readFile] = [host.fileExists.bind(host), host.readFile.bind(host)];
  host.fileExists = (file) => file in files || fileExists(file);
  host.readFile = (file) => files[file] ?? readFile(file);
  const program = ts.createProgram(Object.keys(files), options, host);
  return Object.keys(files).flatMap((file) =>
    program.getSemanticDiagnostics(program.getSourceFile(file)).map(({ messageText, start = 0 }) => {
      const line = files[file]!.slice(0, start).split('\n').length;
      return `${path.basename(file)}:${String(line)}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
    }),
  );
}
