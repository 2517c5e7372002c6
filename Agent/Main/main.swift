import AgentCore
import Glibc
import RuntimeSupport
import Telemetry

exit(AgentCommand.run(Array(CommandLine.arguments.dropFirst())))
