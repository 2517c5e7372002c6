import Glibc
import RuntimeSupport
import Telemetry
import TestSupport

/// Loads an aggregator (or a remote-write receiver) with batches made beforehand; `bench-ingest` runs it.
///
/// Usage: `IngestBenchmark ingest ACCESS.json AGENTS MODE:BATCHES…` or
/// `IngestBenchmark remote-write PORT AGENTS MODE:BATCHES…`; modes are `metrics10`, `metrics1` and `events`.
/// `MODE:BATCHES:MILLISECONDS` publishes whatever is unacknowledged again and again.
/// Before each mode it prints `ready` and waits for a line; after it, one line of JSON.
@main
struct IngestBenchmark {
    static func main() throws {
        signal(SIGPIPE, SIG_IGN)
        let arguments = Array(CommandLine.arguments.dropFirst())
        guard arguments.count >= 4, let agents = Int(arguments[2]) else {
            print("usage: IngestBenchmark ingest|remote-write ACCESS.json|PORT AGENTS MODE:BATCHES...")
            exit(2)
        }
        let workload = try Workload(directory: DataDirectories.data)
        let plans = LoadPlan.make(Array(arguments[3...]), now: SystemTimeSource().now)
        if arguments[0] == "ingest" {
            try ingest(arguments[1], agents, plans, workload)
        } else if let port = UInt16(arguments[1]) {
            remoteWrite(port, agents, plans, workload)
        }
    }

    private static func ingest(_ access: String, _ agents: Int, _ plans: [LoadPlan], _ workload: Workload) throws {
        let identities = try Enrolments(accessFile: access).identities(agents)
        for plan in plans {
            let loader = try Loader(plan, identities, workload)
            awaitGo()
            tell(loader.report(try loader.run()))
        }
    }

    private static func remoteWrite(_ port: UInt16, _ agents: Int, _ plans: [LoadPlan], _ workload: Workload) {
        for plan in plans {
            let requests = (0..<agents).map { RemoteWrite.requests(plan, workload, agent: $0, port: port) }
            // The first request of each agent makes its series known, before the clock runs.
            _ = RemoteWrite.send(requests.map { Array($0.prefix(1)) }, port: port)
            awaitGo()
            let seconds = RemoteWrite.send(requests.map { Array($0.dropFirst()) }, port: port)
            let records = agents * (plan.batchesPerAgent - 1) * plan.recordsPerBatch
            let bytes = requests.reduce(0) { $0 + $1.dropFirst().reduce(0) { $0 + $1.count } }
            tell(
                "{\"mode\": \"\(plan.name)\", \"agents\": \(agents), \"records\": \(records), \"bytes\": \(bytes), "
                    + "\"seconds\": \(seconds)}")
        }
    }

    private static func awaitGo() {
        tell("ready")
        _ = readLine()
    }

    private static func tell(_ line: String) {
        print(line)
        fflush(nil)
    }
}
