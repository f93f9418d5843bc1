// Goes on in a task of its own: what would be too long in one piece leaves the page time to answer in between.
export function apart(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
