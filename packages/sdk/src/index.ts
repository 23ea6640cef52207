export { FerryError, type FerryErrorOptions } from './errors.ts'
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
