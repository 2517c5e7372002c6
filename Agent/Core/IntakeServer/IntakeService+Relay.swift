import Telemetry
import WireFormat

/// Events and findings at a relay, as a regional aggregator hands them on: a block of `WireFormat`, under zstd or as it
/// is. All of a body is taken, or nothing, or, of events, all but those whose time is none.
extension IntakeService {
    func postRelayedEvents(_ request: IntakeRequest, _ respond: @escaping Respond) {
        let now = hooks.now()
        let read = request.relayedBody { try EventBlock.decode($0) }
        takeRelayed("/api/v1/relay/events", read, respond) { events in
            // The global aggregator takes nothing from further ahead.
            let latest = now.advanced(byMilliseconds: EventLimits.futureMillisecondsMax)
            let taken = events.filter { $0.at <= latest }
            let refused = events.count - taken.count
            return (
                RelayedRecords(events: taken), refused,
                refused > 0 ? "\(refused) events are more than 5 minutes ahead of the relay's clock" : nil
            )
        }
    }

    func postRelayedFindings(_ request: IntakeRequest, _ respond: @escaping Respond) {
        let read = request.relayedBody { try FindingBlock.decode(Array($0)) }
        takeRelayed("/api/v1/relay/findings", read, respond) { findings in
            let taken = findings.filter { $0.source != nil }
            let refused = findings.count - taken.count
            return (
                RelayedRecords(findings: taken), refused,
                refused > 0 ? "\(refused) findings say not whose they are" : nil
            )
        }
    }

    private func takeRelayed<Record>(
        _ route: StaticString, _ read: Result<[Record], CodingRefusal>, _ respond: @escaping Respond,
        _ choose: ([Record]) -> (taken: RelayedRecords, refused: Int, problem: String?)
    ) {
        let observe = hooks.observe
        let finish = { (response: IntakeResponse, accepted: Int, refused: Int) in
            observe(route, response.status, accepted, refused)
            respond(response)
        }
        guard hooks.relay != nil else { return finish(.noRelay, 0, 0) }
        let chosen: (taken: RelayedRecords, refused: Int, problem: String?)
        switch read {
        case .success(let records): chosen = choose(records)
        case .failure(let refusal): return finish(refusal.response, 0, 0)
        }
        let answer =
            chosen.problem.map { IntakeResponse.problem(400, "Bad Request", $0) }
            ?? IntakeResponse(status: 204, body: "")
        guard !chosen.taken.isEmpty else { return finish(answer, 0, chosen.refused) }
        submit(IntakeSubmission(relayed: chosen.taken) { _ in }) { outcome in
            switch outcome {
            case .committed: finish(answer, chosen.taken.recordCount, chosen.refused)
            case .overloaded: finish(.relayFull, 0, 0)
            case .failed(let reason): finish(.notStored(reason), 0, 0)
            }
        }
    }
}
