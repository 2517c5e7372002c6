import AgentCore
import Glibc

/// Asks the running agent's intake for its own metrics and prints those of interest.
enum StatusPage {
    struct Unreachable: Error, CustomStringConvertible {
        let reason: String
        var description: String {
            "no agent answers (\(reason)): is \"stagebox-agent run\" running with the same options?"
        }
    }

    static func show(_ configuration: AgentConfiguration, prefix: String) throws {
        let text: String
        do { text = try LocalStatus.fetch(configuration) } catch { throw Unreachable(reason: "\(error)") }
        for line in text.split(separator: "\n") where line.hasPrefix(prefix) { print(line) }
    }
}
