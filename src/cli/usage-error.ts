/** Wrong arguments: exit code 2, with the usage. */
export class UsageError extends Error {
  override readonly name: string = 'UsageError';
}

/** A file that an argument names cannot be used: exit code 2, without the usage, which would hide what is wrong. */
export class FileError extends Error {
  override readonly name: string = 'FileError';
}
