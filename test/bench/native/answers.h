/* What the mock vendor says: heads, whole answers and events in the shapes of OpenAI, Anthropic and Gemini. */
#include "common.h"

enum shape { OPENAI, ANTHROPIC, GEMINI, SHAPES };

#define TEXT                                                                                                           \
  "A reverse proxy sits between the caller and the vendor. It checks who is calling, swaps the credential, and passes " \
  "bytes both ways without looking into them more than it must. The cost that matters is the time it adds to the "     \
  "first byte and the memory that each open stream holds. "

/* The headers that vendors really send, because each costs a proxy its share. */
#define HEADERS                                                                                                        \
  "Date: Mon, 01 Jan 2026 00:00:00 GMT\r\nx-request-id: req_0123456789abcdef0123456789abcdef\r\n"                      \
  "openai-processing-ms: 512\r\nopenai-version: 2020-10-01\r\nx-ratelimit-limit-requests: 10000\r\n"                   \
  "x-ratelimit-remaining-requests: 9999\r\n"                                                                           \
  "strict-transport-security: max-age=31536000; includeSubDomains; preload\r\nserver: mock\r\nConnection: keep-alive\r\n"

/* The place of the time at which an event was written, in ns. */
#define STAMP "T0000000000000000"

#define OPENAI_USAGE "{\"prompt_tokens\":46,\"completion_tokens\":117,\"total_tokens\":163}"
#define OPENAI_CHUNK                                                                                                   \
  "data: {\"id\":\"chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG\",\"object\":\"chat.completion.chunk\","                     \
  "\"created\":1741570283,\"model\":\"gpt-4o-mini-2024-07-18\",\"service_tier\":\"default\","                          \
  "\"system_fingerprint\":\"fp_fc9f1d7035\",\"choices\":"
#define OPENAI_CHOICE(delta, finish)                                                                                   \
  OPENAI_CHUNK "[{\"index\":0,\"delta\":{" delta "},\"logprobs\":null,\"finish_reason\":" finish "}]}\n\n"
#define ANTHROPIC_HEAD                                                                                                 \
  "\"id\":\"msg_01XFDUDYJgAACzvnptvVoYEL\",\"type\":\"message\",\"role\":\"assistant\","                               \
  "\"model\":\"claude-sonnet-4-20250514\","
#define GEMINI_TAIL                                                                                            \
  "\"usageMetadata\": {\"promptTokenCount\": 46,\"candidatesTokenCount\": 117,\"totalTokenCount\": 163},"              \
  "\"modelVersion\": \"gemini-2.0-flash\",\"responseId\": \"3Xq8aIbJFZ2Zz7IP5ZzR8Qk\"}"

static const char *const WHOLE[SHAPES] = {
    "{\"id\":\"chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG\",\"object\":\"chat.completion\",\"created\":1741570283,"
    "\"model\":\"gpt-4o-mini-2024-07-18\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":"
    "\"" TEXT TEXT "\",\"refusal\":null,\"annotations\":[]},\"logprobs\":null,\"finish_reason\":\"stop\"}],"
    "\"usage\":{\"prompt_tokens\":46,\"completion_tokens\":117,\"total_tokens\":163,\"prompt_tokens_details\":"
    "{\"cached_tokens\":0,\"audio_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":0,"
    "\"audio_tokens\":0,\"accepted_prediction_tokens\":0,\"rejected_prediction_tokens\":0}},"
    "\"service_tier\":\"default\",\"system_fingerprint\":\"fp_fc9f1d7035\"}",
    "{" ANTHROPIC_HEAD "\"content\":[{\"type\":\"text\",\"text\":\"" TEXT TEXT "\"}],\"stop_reason\":\"end_turn\","
    "\"stop_sequence\":null,\"usage\":{\"input_tokens\":46,\"cache_creation_input_tokens\":0,"
    "\"cache_read_input_tokens\":0,\"output_tokens\":117,\"service_tier\":\"standard\"}}",
    "{\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"" TEXT TEXT "\"}],\"role\": \"model\"},"
    "\"finishReason\": \"STOP\",\"index\": 0,\"avgLogprobs\": -0.12}]," GEMINI_TAIL};

static const char *const FIRST[SHAPES] = {
    OPENAI_CHOICE("\"role\":\"assistant\",\"content\":\"\",\"refusal\":null", "null"),
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{" ANTHROPIC_HEAD
    "\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":46,"
    "\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":1}}}\n\n"
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":"
    "{\"type\":\"text\",\"text\":\"\"}}\n\nevent: ping\ndata: {\"type\": \"ping\"}\n\n",
    ""};

static const char *const EACH[SHAPES] = {
    OPENAI_CHOICE("\"content\":\"" STAMP " \"", "null"),
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":"
    "{\"type\":\"text_delta\",\"text\":\"" STAMP " \"}}\n\n",
    "data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"" STAMP " \"}],\"role\": \"model\"},"
    "\"index\": 0}]," GEMINI_TAIL "\r\n\r\n"};

static const char *const LAST[SHAPES] = {
    OPENAI_CHOICE("", "\"stop\"") OPENAI_CHUNK "[],\"usage\":" OPENAI_USAGE "}\n\ndata: [DONE]\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\nevent: message_delta\ndata: "
    "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":"
    "{\"output_tokens\":117}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    "data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"\"}],\"role\": \"model\"},"
    "\"finishReason\": \"STOP\",\"index\": 0}]," GEMINI_TAIL "\r\n\r\n"};

/* The same, framed for HTTP/1.1. */
typedef struct {
  char bytes[4096];
  size_t length;
} text;

static text whole[SHAPES], opening[SHAPES], event[SHAPES], closing[SHAPES];
static size_t stamp_at[SHAPES];

static void append(text *to, const char *bytes) {
  size_t n = strlen(bytes);
  if (to->length + n > sizeof to->bytes) abort();
  memcpy(to->bytes + to->length, bytes, n);
  to->length += n;
}

static void append_chunk(text *to, const char *bytes) {
  char size[32];
  if (*bytes == 0) return;
  snprintf(size, sizeof size, "%zx\r\n", strlen(bytes));
  append(to, size);
  append(to, bytes);
  append(to, "\r\n");
}

static void prepare_answers(void) {
  char length[64];
  for (int s = 0; s < SHAPES; s++) {
    snprintf(length, sizeof length, "Content-Length: %zu\r\n\r\n", strlen(WHOLE[s]));
    append(&whole[s], "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" HEADERS);
    append(&whole[s], length);
    append(&whole[s], WHOLE[s]);
    append(&opening[s], "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\n");
    append(&opening[s], HEADERS "Transfer-Encoding: chunked\r\n\r\n");
    append_chunk(&opening[s], FIRST[s]);
    append_chunk(&event[s], EACH[s]);
    stamp_at[s] = (size_t)(strstr(event[s].bytes, STAMP) + 1 - event[s].bytes);
    append_chunk(&closing[s], LAST[s]);
    append(&closing[s], "0\r\n\r\n");
  }
}

/* Copies an event with the time in its place; returns its length. */
static size_t put_event(char *to, int shape, uint64_t time) {
  memcpy(to, event[shape].bytes, event[shape].length);
  for (int i = 15; i >= 0; i--, time /= 10) to[stamp_at[shape] + (size_t)i] = (char)('0' + time % 10);
  return event[shape].length;
}
