import Collectors
import Control
package import RuntimeSupport
import Telemetry
import WireFormat

/// Manifests tried in a child process, so that one that kills it, or never ends, does neither to the agent.
///
/// The child is the agent's own program, called with `dry-run` in place of `run` and the same options; it reads the node's
/// settings as they are now and the manifests from standard input. It takes some 15 MB for some 50 ms.
package enum DryRun {
    package static let verb = "dry-run"
    /// What the child ends with when the manifests cannot be applied; what it wrote says why.
    package static let refused: Int32 = 1
    package static let timeoutMilliseconds = ControlStateMachine.stepMilliseconds - 5000
    private static let bodiesMax = GroupName.countMax + 1
    private static let nameBytesMax = 1024

    // MARK: The agent's side

    /// Tries them on a thread of its own, and says there why they cannot be applied; nil if they can.
    /// - Parameter options: of the agent's own command line, without the verb.
    static func start(
        _ bodies: [ManifestCheck.Body], options: [String], time: any TimeSource,
        done: @escaping @Sendable (String?) -> Void
    ) {
        let thread = WorkerThread(name: "dry-run") {
            done(outcome(["/proc/self/exe", verb] + options, bodies, time: time))
        }
        if thread.isStarted { thread.detach() } else { done("there is no thread to try it on") }
    }

    /// - Returns: why they cannot be applied; nil if they can.
    package static func outcome(
        _ command: [String], _ bodies: [ManifestCheck.Body], time: any TimeSource,
        timeoutMilliseconds: Int64 = timeoutMilliseconds
    ) -> String? {
        let child = ChildRun(
            command, environment: ProcessEnvironment.forChildren, input: encode(bodies),
            timeoutMilliseconds: timeoutMilliseconds)
        let (ending, output) = child.run(time: time)
        var said = Substring(String(decoding: output, as: UTF8.self))
        while said.last?.isNewline == true { said.removeLast() }
        return switch ending {
        case .exited(0): nil
        case .exited(refused) where !said.isEmpty: String(said)
        case .exited(let code): "the dry run ended with status \(code): \(said)"
        case .killed(let signal): "it kills the agent (signal \(signal)) when it is tried"
        case .late: "the dry run did not end within \(timeoutMilliseconds / 1000) s"
        case .cancelled: "the agent stopped"
        case .notStarted(let reason): "the dry run: \(reason)"
        }
    }

    // MARK: The child's side

    /// - Parameter input: what ``encode(_:)`` gives.
    /// - Returns: why the manifests cannot be applied; nil if they can.
    package static func objection(_ input: [UInt8], _ configuration: AgentConfiguration) -> String? {
        let bodies: [ManifestCheck.Body]
        do { bodies = try decode(input) } catch { return "the dry run got something else than manifests: \(error)" }
        return ManifestCheck(
            settings: configuration.settings, guardLimits: configuration.guardLimits,
            collectors: Set(NodeSettings.knownCollectors)
        ).objection(to: bodies)
    }

    // MARK: Between them

    package static func encode(_ bodies: [ManifestCheck.Body]) -> [UInt8] {
        var writer = ByteWriter()
        writer.write(varint: UInt64(bodies.count))
        for body in bodies {
            writer.write(body.isOwn ? 1 : 0)
            writer.write(text: body.name)
            writer.write(text: body.text)
        }
        return writer.bytes
    }

    package static func decode(_ bytes: [UInt8]) throws -> [ManifestCheck.Body] {
        try bytes.withUnsafeBytes { raw in
            var reader = ByteReader(raw)
            let count = try reader.readCount("manifests", max: bodiesMax)
            return try (0..<count).map { _ in
                ManifestCheck.Body(
                    isOwn: try reader.readByte("scope") == 1, name: try reader.readText("name", max: nameBytesMax),
                    text: try reader.readText("body", max: ControlStateMachine.bodyBytesMax))
            }
        }
    }
}
