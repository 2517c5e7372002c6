import Foundation
import MQTT

/// What the tests read from the API and from the agent's own metrics.
enum Answers {
    struct Token: Decodable { let token: String }
    struct Count: Decodable, Equatable {
        let batches: Int
        let records: Int
    }
    struct Lane: Decodable {
        let epoch: String
        let lane: String
        let produced: Count
        let committed: Count
        let pending: Count
        let rejected: [String: Count]
        let dropped: [String: Count]
        let balanced: Bool
        var name: String { "\(epoch) \(lane)" }
    }
    struct Ledger: Decodable {
        let balanced: Bool
        let lanes: [Lane]
        /// Balanced, with nothing on its way, refused or lost.
        var isSettled: Bool {
            balanced && lanes.allSatisfy { $0.balanced && $0.pending.batches == 0 } && isComplete
        }
        var isComplete: Bool { lanes.allSatisfy { $0.rejected.isEmpty && $0.dropped.isEmpty } }
    }

    struct Fleet: Decodable {
        struct Agent: Decodable {
            let agent: String
            let state: String
            let configuration: [Standing]
        }
        let agents: [Agent]
    }
    /// One scope of an agent's configuration.
    struct Standing: Decodable {
        let group: String?
        let desired: Int
        let attempted: Int
        let running: Int
        let step: String?
        let error: String
    }

    static func decode<Value: Decodable>(_ type: Value.Type, _ answer: HTTPExchange.Answer) throws -> Value {
        try JSONDecoder().decode(type, from: Data(answer.body))
    }

    /// JSON values, one a line.
    static func lines<Value: Decodable>(_ type: Value.Type, _ answer: HTTPExchange.Answer) throws -> [Value] {
        try answer.text.split(separator: "\n").map { try JSONDecoder().decode(type, from: Data($0.utf8)) }
    }
}

/// Samples of some series as the export gives them.
struct ExportedSeries: Decodable {
    let metric: [String: String]
    let timestamps: [Int64]
}

extension SmokeTree {
    func ledger() throws -> Answers.Ledger {
        try Answers.decode(Answers.Ledger.self, api("GET", "/api/v1/ledger"))
    }

    /// Where the agent stands with its own manifest, or with a group's.
    func standing(group: String? = nil) throws -> Answers.Standing? {
        let fleet = try Answers.decode(Answers.Fleet.self, api("GET", "/api/v1/agents"))
        return fleet.agents.first?.configuration.first { $0.group == group }
    }

    func waitForStanding(
        group: String? = nil, step: String, attempted: Int, seconds: Double
    ) throws -> Answers.Standing {
        var found: Answers.Standing?
        try wait("manifest \(attempted) \(step)", seconds: seconds) {
            found = try standing(group: group)
            return found?.step == step && found?.attempted == attempted
        }
        guard let found else { throw Failure(description: "no standing") }
        return found
    }

    /// Ids of all exported events, in the export's order.
    func exportedEventIDs() throws -> [String] {
        let text = try api("GET", "/api/v1/events/export?start=0&format=jsonl").text
        let prefix = "{\"id\":\""
        return try text.split(separator: "\n").map { line in
            guard line.hasPrefix(prefix) else { throw Failure(description: "an exported event is \(line)") }
            return String(line.dropFirst(prefix.count).prefix { $0 != "\"" })
        }
    }

    /// - Returns: timestamps of each series of a family, in milliseconds.
    func timestamps(of family: String) throws -> [[String: String]: [Int64]] {
        let text = try api("GET", "/api/v1/export?match[]=\(family)&start=0&format=jsonl").text
        var all: [[String: String]: [Int64]] = [:]
        for line in text.split(separator: "\n") where line.hasPrefix("{\"metric\"") {
            let series = try JSONDecoder().decode(ExportedSeries.self, from: Data(line.utf8))
            all[series.metric, default: []] += series.timestamps
        }
        return all
    }

    /// - Returns: the samples of each series that a selector matches, by time in milliseconds; values as they are written.
    func samples(of selector: String, from start: Int, through end: Int) throws -> [[String: String]: [Int64: String]] {
        let match = selector.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
        let path = "/api/v1/export?match[]=\(match)&start=\(start)&end=\(end)&format=jsonl"
        var all: [[String: String]: [Int64: String]] = [:]
        for line in try api("GET", path).text.split(separator: "\n") where line.hasPrefix("{\"metric\"") {
            let series = try JSONDecoder().decode(ExportedSeries.self, from: Data(line.utf8))
            guard let open = line.range(of: "\"values\":[") else { continue }
            let values = line[open.upperBound...].prefix { $0 != "]" }.split(separator: ",").map(String.init)
            for (time, value) in zip(series.timestamps, values) { all[series.metric, default: [:]][time] = value }
        }
        return all
    }

    /// The agent's own metrics, by the text of their series.
    func agentMetrics() throws -> [String: Double] {
        var values: [String: Double] = [:]
        for line in try intake("GET", "/metrics").text.split(separator: "\n") where !line.hasPrefix("#") {
            let parts = line.split(separator: " ")
            if parts.count == 2 { values[String(parts[0])] = Double(parts[1]) }
        }
        return values
    }

    /// The agent's own ledger in batches: "epoch lane" → state → count.
    func agentLedger() throws -> [String: [String: Int]] {
        var ledger: [String: [String: Int]] = [:]
        for (series, value) in try agentMetrics() where series.hasPrefix("stagebox_agent_ledger_batches{") {
            let quoted = series.split(separator: "\"")
            guard quoted.count >= 6 else { continue }
            ledger["\(quoted[1]) \(quoted[3])", default: [:]][String(quoted[5])] = Int(value)
        }
        return ledger
    }

    /// Bytes of batches that wait in the agent's buffer, as of its last flush.
    func bufferedBytes() throws -> Int {
        Int(try agentMetrics().filter { $0.key.hasPrefix("stagebox_agent_buffer_bytes{") }.map(\.value).reduce(0, +))
    }
}
