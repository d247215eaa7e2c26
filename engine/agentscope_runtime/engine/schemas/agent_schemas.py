"""The schemas under the one path by which users import them; each stands in the module that is named after it."""

from agentscope_runtime.engine.schemas.content import (
    AgentContent,
    AudioContent,
    Content,
    DataContent,
    FileContent,
    ImageContent,
    RefusalContent,
    TextContent,
    VideoContent,
)
from agentscope_runtime.engine.schemas.event import Error, Event, SequenceNumberGenerator
from agentscope_runtime.engine.schemas.kinds import ContentType, MessageType, Role, RunStatus
from agentscope_runtime.engine.schemas.message import Message
from agentscope_runtime.engine.schemas.openai_format import (
    convert_to_openai_messages,
    convert_to_openai_tool_call,
    convert_to_openai_tools,
)
from agentscope_runtime.engine.schemas.request import AgentRequest, BaseRequest
from agentscope_runtime.engine.schemas.response import AgentResponse, BaseResponse
from agentscope_runtime.engine.schemas.tools import (
    FunctionCall,
    FunctionCallOutput,
    FunctionParameters,
    FunctionTool,
    McpApprovalRequest,
    McpApprovalResponse,
    McpCall,
    McpCallOutput,
    McpListTools,
    McpListToolsTool,
    Tool,
    ToolCall,
    ToolCallOutput,
)

__all__ = [
    "AgentContent",
    "AgentRequest",
    "AgentResponse",
    "AudioContent",
    "BaseRequest",
    "BaseResponse",
    "Content",
    "ContentType",
    "DataContent",
    "Error",
    "Event",
    "FileContent",
    "FunctionCall",
    "FunctionCallOutput",
    "FunctionParameters",
    "FunctionTool",
    "ImageContent",
    "McpApprovalRequest",
    "McpApprovalResponse",
    "McpCall",
    "McpCallOutput",
    "McpListTools",
    "McpListToolsTool",
    "Message",
    "MessageType",
    "RefusalContent",
    "Role",
    "RunStatus",
    "SequenceNumberGenerator",
    "TextContent",
    "Tool",
    "ToolCall",
    "ToolCallOutput",
    "VideoContent",
    "convert_to_openai_messages",
    "convert_to_openai_tool_call",
    "convert_to_openai_tools",
]
