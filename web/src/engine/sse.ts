// Server-sent events (the "text/event-stream" format of the HTML standard), read from bytes that may be cut anywhere:
// inside a character, between \r and \n, in the middle of a field name. Only `data` matters to us.

const kMaxEventLength = 16 * 1024 * 1024;  // no honest event comes near; without a bound a server could fill the memory

export class SseParser {
  private readonly decoder = new TextDecoder('utf-8');  // drops a leading byte order mark, as the standard asks
  private rest = '';
  private data: string[] = [];
  private dataLength = 0;
  private endedInCarriageReturn = false;

  // Returns the data of every event that these bytes complete.
  push(bytes: Uint8Array): string[] {
    let text = this.decoder.decode(bytes, { stream: true });
    if (text === '') return [];
    if (this.endedInCarriageReturn && text.startsWith('\n')) text = text.slice(1);
    this.endedInCarriageReturn = text.endsWith('\r');

    const lines = (this.rest + text).split(/\r\n|\n|\r/);
    this.rest = lines.pop() ?? '';
    const events: string[] = [];
    for (const line of lines) this.takeLine(line, events);
    if (this.rest.length + this.dataLength > kMaxEventLength) throw new RangeError('an event is longer than 16 MiB');
    return events;
  }

  private takeLine(line: string, events: string[]): void {
    if (line === '') {
      if (this.data.length > 0) events.push(this.data.join('\n'));
      this.data = [];
      this.dataLength = 0;
      return;
    }
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    if (field !== 'data') return;  // comments have an empty field name
    const value = colon < 0 ? '' : line.slice(colon + (line[colon + 1] === ' ' ? 2 : 1));
    this.data.push(value);
    this.dataLength += value.length;
  }
}
