export { AnswerStream } from './answer-stream.ts'
export type { Chat, ChatObject, ChatRun } from './chat.ts'
export { createFerry, type Ferry } from './client.ts'
export type { Conversation, ConversationParams } from './conversation.ts'
export { type EmbeddingsParams, EmbeddingsResult } from './embeddings.ts'
export { FerryError, type FerryErrorOptions } from './errors.ts'
export type * from './events.ts'
export { completionOf } from './fold.ts'
export type { ErrorEvent, FerryHooks, FinishEvent, RequestEvent, ResponseEvent, RetryEvent } from './hooks.ts'
export type { CallMeta } from './meta.ts'
export { type ObjectParams, type ObjectResult, ObjectStream, type PartialObject } from './object.ts'
export type { CallOptions, FerryOptions, Fetch, SharedOptions } from './options.ts'
export type { ChatInputMessage, ChatParams } from './params.ts'
export { ChatResult } from './result.ts'
export {
  type RunEvent,
  type RunParams,
  type RunResult,
  RunStream,
  type Step,
  type StepStart,
  type ToolResult,
} from './run.ts'
export type { ApprovalRequest, Approve, ToolOutcome } from './run-tools.ts'
export type {
  Annotation,
  AssistantMessage,
  ChatChunk,
  ChatCompletion,
  ChatCompletionMessage,
  ChatDelta,
  ChatMessage,
  ChatRequest,
  ErrorBody,
  FinishReason,
  ReasoningDetail,
  ReasoningEffort,
  ResponseFormat,
  Tool,
  ToolCall,
  ToolCallDelta,
  ToolChoice,
  ToolMessage,
  Usage,
  UserMessage,
} from './schema/chat.ts'
export type { Embedding, EmbeddingsRequest, EmbeddingsResponse } from './schema/embeddings.ts'
export { ERRORS, type ErrorCode, type ErrorSpec, isErrorCode } from './schema/errors.ts'
export { HEADERS } from './schema/headers.ts'
export type { Model, ModelCapabilities, ModelList, ModelPrice } from './schema/models.ts'
export type { SessionLimits, SessionToken } from './schema/session-token.ts'
export type { UsageBreakdown, UsageReport, UsageRow } from './schema/usage-report.ts'
export type { SentenceOptions } from './sentences/options.ts'
export { speakable } from './sentences/speech.ts'
export { type Sentence, SentenceSplitter } from './sentences/splitter.ts'
export type { SessionTokenParams, SessionTokens } from './session-tokens.ts'
export type { AnySchema, JsonSchemaObject, OutputOf, StandardSchema } from './standard-schema.ts'
export { ChatStream } from './stream.ts'
export { type FerryTool, type ToolContext, type ToolDefinition, tool } from './tool.ts'
export type { UsageParams, UsageReportBy, UsageRowBy } from './usage-report.ts'
