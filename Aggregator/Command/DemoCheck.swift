import Foundation
import MQTT
import RuntimeSupport

/// Proves at the end of an unattended demonstration that everything advertised is there and adds up.
struct DemoCheck {
    let access: DemoAccess
    /// The port of the agent's intake; nil without an agent.
    let intakePort: Int?

    private var session: Session { Session(url: access.url, token: access.tokens.operator) }

    /// - Parameter sent: play events that the intake had answered with 2xx.
    func run(sent: Int) throws {
        var failures: [String] = []
        func check(_ what: String, _ body: () throws -> Bool) {
            do {
                let isGood = try body()
                print("\(isGood ? "ok  " : "FAIL")  \(what)")
                if !isGood { failures.append(what) }
            } catch {
                print("FAIL  \(what): \(error)")
                failures.append(what)
            }
        }
        check("the aggregator is ready") { try session.send("GET", "/readyz").status == 200 }
        check("it shows its own metrics in OpenMetrics") {
            try session.send("GET", "/metrics").text.hasSuffix("# EOF\n")
        }
        check("the page is served") { try session.send("GET", "/").text.contains("<html") }
        check("without a token nothing is told") {
            (try? Session(url: access.url, token: "").send("GET", "/api/v1/agents")) == nil
        }
        if let intakePort {
            check("the agent is online") { try agentState() == "online" }
            let events = try settle(sent: sent)
            check("all \(sent) accepted play events are in the export, each once") {
                events.count == sent && Set(events).count == sent
            }
            check("node_cpu_seconds_total, node_memory_MemAvailable_bytes and node_load1 have samples") {
                try ["node_cpu_seconds_total", "node_memory_MemAvailable_bytes", "node_load1"].allSatisfy {
                    try samples(of: $0) > 5
                }
            }
            check("stream metrics derived from the events have samples") {
                try samples(of: "stagebox_stream_plays_total") > 0
            }
            check("PromQL finds rates of node_cpu_seconds_total: this machine's processors, busy and idle") {
                let rates = try query(
                    "sum(rate(node_cpu_seconds_total[1m])) / count(node_cpu_seconds_total{mode=\"idle\"})")
                return rates.count == 1 && rates[0] > 0.2 && rates[0] < 5
            }
            check("PromQL finds the stream metrics, and their rate over time") {
                let plays = try query("sum(stagebox_stream_plays_total)")
                let rate = try points("sum(rate(stagebox_stream_plays_total[1m]))")
                return plays.count == 1 && plays[0] > 0 && rate > 1
            }
            check("the agent watches its metrics, and findings answer") {
                let watched = try query("stagebox_detection_watched_series")
                let findings = try session.json("GET", "/api/v1/findings")["findings"] as? [Any]
                return watched.count == 1 && watched[0] > 100 && findings != nil
            }
            check("anomaly bits are a series, and what became strange together is ranked") {
                let bits = try query("count(stagebox_anomaly_bit{metric=\"node_load1\"})")
                let ranking = try session.json("GET", "/api/v1/anomalies")
                return bits == [1] && (ranking["series_seen"] as? Int ?? 0) > 100
            }
            check("PromQL says what is wrong with an expression, and where") {
                do { _ = try query("sum(node_load1") } catch let failure as AggregatorRefusal {
                    return failure.status == 400 && failure.detail.contains("parse error")
                }
                return false
            }
            check("series, labels and label values answer") {
                try count("/api/v1/series?match[]=node_load1") == 1 && count("/api/v1/labels") > 5
                    && count("/api/v1/label/__name__/values") > 100
            }
            check("the aggregator's ledger balances and nothing was rejected or dropped") { try ledgerBalances() }
            check("the agent's own ledger balances and agrees with it") { try ledgersAgree(intakePort) }
        }
        guard failures.isEmpty else { throw CommandFailure("\(failures.count) checks failed") }
        print("everything adds up")
    }

    private func agentState() throws -> String {
        let agents = try session.json("GET", "/api/v1/agents")["agents"] as? [[String: Any]] ?? []
        return agents.first { $0["agent"] as? String == Demo.agent }?["state"] as? String ?? "missing"
    }

    /// Waits until what was accepted has arrived: two flush intervals are plenty.
    private func settle(sent: Int) throws -> [String] {
        let pause = BoundedQueue<Int>(itemsMax: 1)
        var events: [String] = []
        for _ in 0..<60 {
            events = try exportedEvents()
            if events.count >= sent { break }
            _ = pause.pop(max: 1, waitMilliseconds: 250)
        }
        return events
    }

    private func exportedEvents() throws -> [String] {
        // Operators see the machines; listening events are for analysts and administrators.
        let analyst = Session(url: access.url, token: access.tokens.admin)
        return try analyst.send("GET", "/api/v1/events/export?start=0&format=jsonl").text.split(separator: "\n")
            .compactMap {
                let event = try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
                return event?["id"] as? String
            }
    }

    private func samples(of name: String) throws -> Int {
        let start = Date().timeIntervalSince1970 - 3600
        let text = try session.send("GET", "/api/v1/export?match[]=\(name)&start=\(start)&format=csv").text
        return max(0, text.split(whereSeparator: \.isNewline).count - 1)
    }

    private func count(_ path: String) throws -> Int { (try session.json("GET", path)["data"] as? [Any])?.count ?? 0 }

    /// The values of an instant vector.
    private func query(_ text: String) throws -> [Double] {
        let answer = try QueryAnswer(session.send("POST", "/api/v1/query", form: [("query", text)]))
        guard case .vector(let series) = answer.value else { return [] }
        return series.compactMap { $0.samples.first.flatMap { Double($0.text) } }
    }

    /// How many points a range query over the last minute gives.
    private func points(_ text: String) throws -> Int {
        let now = Date().timeIntervalSince1970
        let form = [("query", text), ("start", "\(now - 60)"), ("end", "\(now)"), ("step", "1")]
        let answer = try QueryAnswer(session.send("POST", "/api/v1/query_range", form: form))
        guard case .matrix(let series) = answer.value else { return 0 }
        return series.reduce(0) { $0 + $1.samples.count }
    }

    private func ledgerBalances() throws -> Bool {
        let answer = try session.json("GET", "/api/v1/ledger")
        let lines = answer["lanes"] as? [[String: Any]] ?? []
        func batches(_ line: [String: Any], _ state: String) -> Int {
            (line[state] as? [String: Any])?["batches"] as? Int ?? -1
        }
        return answer["balanced"] as? Bool == true && !lines.isEmpty
            && lines.allSatisfy { line in
                ["rejected", "dropped"].allSatisfy { (line[$0] as? [String: Any])?.isEmpty == true }
            }
            && lines.contains { batches($0, "committed") > 0 }
    }

    /// The agent's books first, the aggregator's after: what is committed there must lie between what the agent
    /// knows to be committed and what it has produced by then.
    private func ledgersAgree(_ port: Int) throws -> Bool {
        let agent = Session(url: "http://127.0.0.1:\(port)", token: "")
        let before = Self.agentLedger(try agent.send("GET", "/metrics").text)
        let lanes = try session.json("GET", "/api/v1/ledger")["lanes"] as? [[String: Any]] ?? []
        let isBalanced = before.values.allSatisfy { states in
            states["produced"] == states.filter { $0.key != "produced" }.values.reduce(0, +)
        }
        guard isBalanced, before.values.contains(where: { $0["committed", default: 0] > 0 }) else { return false }
        return before.allSatisfy { lane, states in
            let line = lanes.first { "\($0["epoch"] ?? "")/\($0["lane"] ?? "")" == lane }
            let committed = (line?["committed"] as? [String: Any])?["batches"] as? Int ?? 0
            return committed >= states["committed", default: 0]
        }
    }

    /// Batches by `epoch/lane`, then by state, from the lines `stagebox_agent_ledger_batches{…} N`.
    private static func agentLedger(_ text: String) -> [String: [String: Int]] {
        var ledger: [String: [String: Int]] = [:]
        for line in text.split(whereSeparator: \.isNewline) where line.hasPrefix("stagebox_agent_ledger_batches{") {
            let parts = line.split(separator: "\"", omittingEmptySubsequences: false)
            guard parts.count == 7, let count = parts[6].split(separator: " ").last.flatMap({ Int($0) }) else {
                continue
            }
            ledger["\(parts[1])/\(parts[3])", default: [:]][String(parts[5])] = count
        }
        return ledger
    }
}
