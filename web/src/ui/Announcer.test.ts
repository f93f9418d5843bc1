import { describe, expect, it } from 'vitest';
import { sentencesEnd } from './Announcer';

describe('sentencesEnd', () => {
  it.each([
    ['One. Two', 4],
    ['It costs 3.50 and', 0],
    ['“Really?” she said', 9],
    ['line\nmore', 5],
    ['No end', 0],
    ['The end.', 0],  // it may be 8.5; what follows will tell, or the end of the answer
  ])('%j → %i', (words, end) => expect(sentencesEnd(words)).toBe(end));
});
