import Actions
import AgentCore
import Control
import Glibc
import RuntimeSupport
import Telemetry

/// `stagebox-agent`'s flags. By hand, for an argument parser would be a third of the program.
enum AgentCommand {
    static let usage = """
        usage: stagebox-agent run     [options]            collect, take in, send; the service
               stagebox-agent check   [options]            say what is configured and whether it can work
               stagebox-agent enrol   URL TOKEN [options]  join a fleet with a one-time token
               stagebox-agent status  [options]            what a running agent says of itself
               stagebox-agent ledger  [options]            what it produced and what became of it
               stagebox-agent findings [options]          what it found on this node, open and past, and did about it
               stagebox-agent record  EXPORT FILE          make a recording of one node's "stagebox export"
               stagebox-agent replay  FILE [FAULTS]        what detection finds in a recording; FAULTS: a table of them
               stagebox-agent keys                         the keys of the settings file, each with its default

        options, which override the settings file and the environment:
          --config FILE          settings (/etc/stagebox-agent/agent.yaml, if there is one)
          --data-directory DIR   buffer, identity and keys (/var/lib/stagebox-agent)
          --agent NAME           enrol: the name, where the token leaves it open (the host's name)
          --buffer-bytes N       largest size of the buffer file (268435456)
          --durability LEVEL     normal, or full: synchronise every commit (normal)
          --flush-seconds S      how often samples are sent, 0.2 to 60 (10)
          --intake-port PORT     loopback port of the intake, 0 for none (9470)
          --intake-socket PATH   Unix socket of the intake (none)
          --proc-root DIR        where the kernel's files are (/proc)
          --sys-root DIR         (/sys)
        """

    /// sysexits.h, EX_USAGE and EX_CONFIG: trying the same again does not help, and the service's unit does not.
    static let badUsage: Int32 = 64
    static let badSettings: Int32 = 78

    struct BadUsage: Error { let message: String }

    static func run(_ arguments: [String]) -> Int32 {
        do {
            guard let verb = arguments.first else { throw BadUsage(message: "say what to do") }
            var options = Options()
            try options.read(Array(arguments.dropFirst()))
            options.configuration.options = Array(arguments.dropFirst())
            switch verb {
            case "run": try AgentService.run(options.configuration)
            case "check": return try check(options)
            case DryRun.verb: return try dryRun(options)
            case "enrol", "enroll": try enrol(options)
            case "status": try StatusPage.show(options.configuration, prefix: "stagebox_agent_")
            case "ledger": try StatusPage.show(options.configuration, prefix: "stagebox_agent_ledger_")
            case "findings": try findings(options)
            case "record": try record(options)
            case "replay": return try replay(options)
            case "keys": print(NodeSettings.documentation)
            case "--version", "version": print("stagebox-agent \(AgentProgram.version)")
            case "--help", "-h", "help": print(usage)
            default: throw BadUsage(message: "there is no \"\(verb)\"")
            }
            return 0
        } catch let error as BadUsage {
            Output.error("stagebox-agent: \(error.message)\n\n\(usage)\n")
            return Self.badUsage
        } catch let error as SettingsError {
            Output.error("stagebox-agent: \(error)\n")
            return Self.badSettings
        } catch {
            Output.error("stagebox-agent: \(error)\n")
            return 1
        }
    }

    private static func enrol(_ options: Options) throws {
        guard options.positional.count == 2 else { throw BadUsage(message: "enrol needs URL and TOKEN") }
        let agent = try options.agent.map { try AgentID(validating: $0) }
        let identity = try Enrolment.run(
            configuration: options.configuration, url: options.positional[0], token: options.positional[1],
            agent: agent)
        print("enrolled as \(identity.tenant)/\(identity.agent); broker \(identity.brokerHost):\(identity.brokerPort)")
    }

    private static func findings(_ options: Options) throws {
        let found = try FindingLog(options.configuration).read()
        if found.isEmpty { print("no findings") }
        let outcomes = Dictionary(grouping: try ActionLog(options.configuration).read(), by: \.finding)
        for finding in found { FindingText.lines(finding, outcomes[finding.id] ?? []).forEach { print($0) } }
    }

    private static func record(_ options: Options) throws {
        guard options.positional.count == 2 else { throw BadUsage(message: "record needs EXPORT and FILE") }
        try ReplayCommand.record(options.positional[0], options.positional[1])
    }

    private static func replay(_ options: Options) throws -> Int32 {
        guard let path = options.positional.first, options.positional.count <= 2 else {
            throw BadUsage(message: "replay needs FILE, and FAULTS if it is known what was put in")
        }
        return try ReplayCommand.replay(path, faults: options.positional.dropFirst().first)
    }

    private static func check(_ options: Options) throws -> Int32 {
        let configuration = options.configuration
        let identity = try IdentityFile(configuration).read()
        print("settings        in order")
        print("data directory  \(configuration.dataDirectory)")
        let rules = configuration.settings.rules.keys.sorted()
        if !rules.isEmpty { print("rules           \(rules.joined(separator: ", "))") }
        for action in configuration.guardLimits.actions {
            print("action          \(action.name): \(ScriptCheck.objection(to: action) ?? "in order")")
        }
        if let identity {
            print("identity        \(identity.tenant)/\(identity.agent)")
            print(
                "broker          \(identity.brokerHost):\(identity.brokerPort)\(identity.isBrokerTLS ? " (TLS 1.3)" : "")"
            )
        } else {
            print("identity        none: run \"stagebox-agent enrol URL TOKEN\"")
        }
        return identity == nil ? 1 : 0
    }

    /// Called by a running agent: whether what stands on standard input can be applied.
    private static func dryRun(_ options: Options) throws -> Int32 {
        var input: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while input.count < ChildRun.inputBytesMax {
            let count = Glibc.read(0, &chunk, chunk.count)
            guard count > 0 else { break }
            input += chunk.prefix(count)
        }
        guard let objection = DryRun.objection(input, options.configuration) else { return 0 }
        print(objection)
        return DryRun.refused
    }

    struct Options {
        var configuration = AgentConfiguration()
        var agent: String?
        var positional: [String] = []

        mutating func read(_ arguments: [String]) throws {
            let flags = try split(arguments)
            let path = flags.last { $0.name == "--config" }?.value
            let read: @Sendable () throws -> AgentConfiguration = {
                var fresh = Options()
                fresh.configuration = try NodeSettings.read(path: path, environment: NodeSettings.environment)
                for flag in flags { try fresh.set(flag.name, flag.value) }
                return fresh.configuration
            }
            configuration = try read()
            configuration.reload = read
            for flag in flags { try set(flag.name, flag.value) }
        }

        private mutating func split(_ arguments: [String]) throws -> [(name: String, value: String)] {
            var flags: [(name: String, value: String)] = []
            var rest = arguments[...]
            while let argument = rest.popFirst() {
                guard argument.hasPrefix("--") else {
                    positional.append(argument)
                    continue
                }
                guard let value = rest.popFirst() else { throw BadUsage(message: "\(argument) needs a value") }
                flags.append((argument, value))
            }
            return flags
        }

        private mutating func set(_ name: String, _ value: String) throws {
            switch name {
            case "--config": break  // read before all others
            case "--data-directory": configuration.dataDirectory = value
            case "--agent": agent = value
            case "--buffer-bytes":
                configuration.bufferBytesMax = Int64(try number(value, name, 4 << 20...64 << 30))
            case "--durability":
                guard value == "normal" || value == "full" else {
                    throw BadUsage(message: "--durability \"\(value)\": use normal or full")
                }
                configuration.isDurabilityFull = value == "full"
            case "--flush-seconds":
                guard let seconds = Double(value), (0.2...60).contains(seconds) else {
                    throw BadUsage(message: "--flush-seconds \"\(value)\": use 0.2 to 60")
                }
                configuration.flushMilliseconds = Int64(seconds * 1000)
            case "--intake-port":
                let port = try number(value, name, 0...65_535)
                configuration.intakePort = port == 0 ? nil : port
            case "--intake-socket": configuration.intakeSocketPath = value
            case "--proc-root": configuration.procRoot = value
            case "--sys-root": configuration.sysRoot = value
            default: throw BadUsage(message: "there is no option \(name)")
            }
        }

        private func number(_ text: String, _ name: String, _ range: ClosedRange<Int>) throws -> Int {
            guard let number = Int(text), range.contains(number) else {
                throw BadUsage(message: "\(name) \"\(text)\": use \(range.lowerBound) to \(range.upperBound)")
            }
            return number
        }
    }
}
