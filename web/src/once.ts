// What takes its time to make is made when it is first asked for: a page that opens needs little of it.
export function once<T extends object>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}
