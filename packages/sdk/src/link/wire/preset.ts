import { hash } from 'node:crypto'

// What the vendors' answers say again and again, as their public formats have it: nobody's text is in here. The commonest
// stand last, where a reference to them is shortest. Both ends must have the same bytes; the hash in the packing's name
// sees to it, so this text may change at any time.

const HEADS = [
  '{"status":400,"reason":"Bad Request","headers":["status":429,"reason":"Too Many Requests","headers":["retry-after","1",',
  '{"error":{"message":"","type":"invalid_request_error","param":null,"code":null}}',
  '{"status":200,"reason":"OK","headers":["date","Mon, 01 Jan 2026 10:00:00 GMT","Tue, Wed, Thu, Fri, Sat, Sun, Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec 2027",',
  '"content-encoding","gzip","cf-cache-status","DYNAMIC","server","cloudflare","x-robots-tag","none","via","1.1 google","cf-ray","-LAX","-NRT","-HKG","-SJC",',
  '"anthropic-organization-id","","anthropic-ratelimit-requests-limit","4000","anthropic-ratelimit-requests-remaining","3999","anthropic-ratelimit-requests-reset","2026-01-01T00:00:00Z",',
  '"anthropic-ratelimit-input-tokens-limit","2000000","anthropic-ratelimit-input-tokens-remaining","2000000","anthropic-ratelimit-input-tokens-reset","2026-01-01T00:00:00Z",',
  '"anthropic-ratelimit-output-tokens-limit","400000","anthropic-ratelimit-output-tokens-remaining","400000","anthropic-ratelimit-output-tokens-reset","2026-01-01T00:00:00Z",',
  '"anthropic-ratelimit-tokens-limit","2400000","request-id","req_011",',
  '"vary","Origin","vary","X-Origin","vary","Referer","server","scaffolding on HTTPServer2","x-xss-protection","0","x-frame-options","SAMEORIGIN","server-timing","gfet4t7; dur=500",',
  '"access-control-expose-headers","X-Request-ID","openai-organization","","openai-processing-ms","500","openai-project","proj_","openai-version","2020-10-01","x-envoy-upstream-service-time","500",',
  '"x-ratelimit-limit-requests","10000","x-ratelimit-limit-tokens","2000000","x-ratelimit-remaining-requests","9999","x-ratelimit-remaining-tokens","1999990","x-ratelimit-reset-requests","6ms","x-ratelimit-reset-tokens","0s",',
  '"x-request-id","req_","x-content-type-options","nosniff","content-type","application/json","content-type","application/json; charset=UTF-8","cache-control","no-cache","content-length","',
  '{"status":200,"reason":"OK","headers":["content-type","text/event-stream; charset=utf-8","transfer-encoding","chunked"],"offset":0}',
] as const

const PLAIN = [
  '{"id":"chatcmpl-","object":"chat.completion","created":17,"model":"gpt-","choices":[{"index":0,"message":{"role":"assistant","content":"","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],',
  '"usage":{"prompt_tokens":,"completion_tokens":,"total_tokens":,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}},"service_tier":"default","system_fingerprint":"fp_"}',
  '{"object":"list","data":[{"object":"embedding","index":0,"embedding":[-0.0',
] as const

const RESPONSES = [
  'event: response.created\ndata: {"type":"response.created","sequence_number":0,"response":{"id":"resp_","object":"response","created_at":17,"status":"in_progress","background":false,"error":null,"incomplete_details":null,"instructions":null,"max_output_tokens":null,"model":"gpt-","output":[],"parallel_tool_calls":true,"previous_response_id":null,"prompt_cache_key":null,"reasoning":{"effort":null,"summary":null},"safety_identifier":null,"service_tier":"auto","store":false,"temperature":1.0,"text":{"format":{"type":"text"},"verbosity":"medium"},"tool_choice":"auto","tools":[],"top_logprobs":0,"top_p":1.0,"truncation":"disabled","usage":null,"user":null,"metadata":{}}}\n\n',
  'event: response.output_item.added\ndata: {"type":"response.output_item.added","sequence_number":2,"output_index":0,"item":{"id":"msg_","type":"message","status":"in_progress","content":[],"role":"assistant"}}\n\n',
  'event: response.content_part.added\ndata: {"type":"response.content_part.added","sequence_number":3,"item_id":"msg_","output_index":0,"content_index":0,"part":{"type":"output_text","annotations":[],"logprobs":[],"text":""}}\n\n',
  'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","sequence_number":4,"item_id":"msg_","output_index":0,"content_index":0,"delta":"","logprobs":[],"obfuscation":""}\n\n',
] as const

const ANTHROPIC = [
  'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_01","type":"message","role":"assistant","model":"claude-","content":[],"container":null,"diagnostics":null,"stop_reason":null,"stop_sequence":null,"stop_details":null,"usage":{"input_tokens":,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0},"output_tokens":1,"output_tokens_details":null,"server_tool_use":null,"service_tier":"standard","inference_geo":"global","speed":null}}}\n\n',
  'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}\n\n',
  'event: content_block_start\ndata: {"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"toolu_01","name":"","input":{},"caller":{"type":"direct"}}}\n\n',
  'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null,"stop_details":null,"container":null},"usage":{"input_tokens":,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":,"output_tokens_details":{"thinking_tokens":},"server_tool_use":null}}\n\n',
  '"stop_reason":"end_turn"event: message_stop\ndata: {"type":"message_stop"}\n\n',
  'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"',
  'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"',
  'event: content_block_delta\ndata: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"',
  'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\nevent: ping\ndata: {"type":"ping"}\n\n',
  'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":"","citations":null}}\n\n',
  'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":""}}\n\n',
] as const

const GEMINI = [
  'data: {"candidates":[{"content":{"parts":[{"functionCall":{"id":"","name":"","args":{}},"thoughtSignature":""}],"role":"model"},"finishReason":"STOP","index":0,"safetyRatings":[{"category":"HARM_CATEGORY_","probability":"NEGLIGIBLE"}]}],',
  'data: {"candidates": [{"content": {"parts": [{"text": ""}],"role": "model"},"finishReason": "STOP","index": 0}],"usageMetadata": {"promptTokenCount": ,"candidatesTokenCount": ,"totalTokenCount": ,"promptTokensDetails": [{"modality": "TEXT","tokenCount": }],"thoughtsTokenCount": },"modelVersion": "gemini-","responseId": ""}\r\n\r\n',
  'data: {"candidates":[{"content":{"parts":[{"text":"","thought":true}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":,"candidatesTokenCount":,"thoughtsTokenCount":,"totalTokenCount":,"cachedContentTokenCount":,"promptTokensDetails":[{"modality":"TEXT","tokenCount":}]},"modelVersion":"gemini-","responseId":""}\r\n\r\n',
] as const

const OPENAI = [
  'data: {"id":"chatcmpl-","object":"chat.completion.chunk","created":17,"model":"gpt-","service_tier":"default","system_fingerprint":null,"choices":[],"usage":{"prompt_tokens":,"completion_tokens":,"total_tokens":,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}},"obfuscation":""}\n\n',
  '"delta":{"tool_calls":[{"index":0,"id":"call_","type":"function","function":{"name":"","arguments":""}}]},"delta":{"tool_calls":[{"index":0,"function":{"arguments":"',
  '"delta":{"role":"assistant","content":null,"reasoning_content":"","delta":{},"logprobs":null,"finish_reason":"tool_calls"}],"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null,"obfuscation":""}\n\ndata: [DONE]\n\n',
  'data: {"id":"chatcmpl-","object":"chat.completion.chunk","created":17,"model":"gpt-","service_tier":"default","system_fingerprint":"fp_","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"',
  'data: {"id":"chatcmpl-","object":"chat.completion.chunk","created":17,"model":"gpt-","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"content":""},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"',
] as const

/** What a packed answer's context begins with. */
export const PRESET: Buffer = Buffer.from([PLAIN, HEADS, RESPONSES, ANTHROPIC, GEMINI, OPENAI].flat().join(''))

/** Changes with {@link PRESET}. */
export const PRESET_HASH: string = hash('sha256', PRESET).slice(0, 8)
