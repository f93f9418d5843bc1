// An answer while it arrives: text, thoughts, and the plain facts about its speed.

import type { ChatEvent, Token, Usage } from '../engine/engine';
import type { Stats } from './types';

export class Answer {
  readonly tokens: Token[] = [];
  reason: 'stop' | 'length' | null = null;
  private usage: Usage | null = null;
  private pieces = 0;
  private firstAt: number | null = null;
  private lastAt = 0;
  private thoughtFrom: number | null = null;
  private thoughtTo: number | null = null;

  // Times are milliseconds on any one clock. `text` and `thought`: what an answer that goes on has already said.
  constructor(
    private readonly askedAt: number,
    public text = '',
    public thought = '',
  ) {}

  take(event: ChatEvent, now: number): void {
    if (event.type === 'end') {
      this.reason = event.reason;
      this.thoughtTo ??= this.thoughtFrom === null ? null : now;
    } else if (event.type === 'usage') {
      this.usage = event.usage;
    } else if (event.type === 'tokens') {
      this.tokens.push(...event.tokens);
    } else {
      this.firstAt ??= now;
      this.lastAt = now;
      this.pieces += 1;
      if (event.type === 'thought') {
        this.thoughtFrom ??= now;
        this.thought += event.text;
      } else {
        // The first visible word ends the thinking; white space between the two does not.
        if (this.thoughtFrom !== null && event.text.trim() !== '') this.thoughtTo ??= now;
        this.text += this.text === '' ? event.text.trimStart() : event.text;
      }
    }
  }

  // Undefined while it still thinks, or never did.
  thoughtMs(): number | undefined {
    return this.thoughtFrom === null || this.thoughtTo === null ? undefined : this.thoughtTo - this.thoughtFrom;
  }

  // For an answer that was stopped or broke off while thinking.
  endThought(now: number): void {
    if (this.thoughtFrom !== null) this.thoughtTo ??= now;
  }

  stats(): Stats | undefined {
    if (this.firstAt === null) return undefined;
    const seconds = (this.lastAt - this.firstAt) / 1000;
    const measured = seconds > 0 && this.pieces > 1 ? (this.pieces - 1) / seconds : undefined;
    return {
      tokens: this.usage?.completionTokens ?? this.pieces,
      exact: this.usage !== null,
      tokensPerSecond: this.usage?.tokensPerSecond ?? measured,
      firstTokenMs: this.firstAt - this.askedAt,
      contextUsed: this.usage ? this.usage.promptTokens + this.usage.completionTokens : undefined,
    };
  }
}
