import { describe, expect, it } from 'vitest';
import { SseParser } from './sse';

const kStream = '\uFEFF: a comment\r\ndata: {"a":1}\r\n\r\nevent: x\ndata: über 🦉\n\ndata:no space\rdata:  two\r\rid: 7\n\ndata\n\ndata: [DONE]\n\n';
const kEvents = ['{"a":1}', 'über 🦉', 'no space\n two', '', '[DONE]'];

function parsed(chunks: Uint8Array[]): string[] {
  const parser = new SseParser();
  return chunks.flatMap((chunk) => parser.push(chunk));
}

describe('SseParser', () => {
  const bytes = new TextEncoder().encode(kStream);

  it('reads a stream that arrives whole', () => {
    expect(parsed([bytes])).toEqual(kEvents);
  });

  it('reads the same events from any two pieces', () => {
    for (let cut = 0; cut <= bytes.length; cut++) {
      expect(parsed([bytes.subarray(0, cut), bytes.subarray(cut)]), `cut at ${cut}`).toEqual(kEvents);
    }
  });

  it('reads the same events byte by byte', () => {
    expect(parsed([...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(kEvents);
  });

  it('says nothing about an event that has not ended', () => {
    expect(parsed([new TextEncoder().encode('data: half\n')])).toEqual([]);
  });

  it('refuses an event without end', () => {
    const parser = new SseParser();
    const piece = new TextEncoder().encode(`data: ${'x'.repeat(1024 * 1024)}\n`);
    expect(() => {
      for (let i = 0; i < 20; i++) parser.push(piece);
    }).toThrow(RangeError);
  });
});
