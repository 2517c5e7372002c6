import AgentCore
import Glibc
import RuntimeSupport
import Telemetry

setvbuf(stdout, nil, _IOLBF, 0)
exit(AgentCommand.run(Array(CommandLine.arguments.dropFirst())))
