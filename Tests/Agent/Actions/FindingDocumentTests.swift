import Actions
import Telemetry
import Testing

@Suite("A finding as actions get it") struct FindingDocumentTests {
    private func document(_ finding: Finding) -> FindingDocument {
        let action = LocalAction(name: "page", kind: .log)
        return FindingDocument(
            ActionJob(number: 1, action: action, finding: finding), agent: AgentID(unchecked: "edge-1"))
    }

    @Test("as JSON with the names of the API")
    func json() {
        let text = String(decoding: document(Samples.detected).json, as: UTF8.self)
        #expect(
            text == #"{"event":"opened","action":"page","agent":"edge-1","id":"00000000000000010000000000000001","#
                + #""group":"cpu","severity":"warning","state":"open","since":"2026-09-21T14:13:20.123Z","until":null,"#
                + #""score":0.5,"peak":"2026-09-21T14:13:21.000Z","anomalous_samples":3,"rule":null,"contributors":["#
                + #"{"labels":{"__name__":"node_load1","a":"b\"\u000a"},"share":1.0}]}"#)
        let ruled = String(
            decoding: document(Samples.rule(until: Timestamp(seconds: 1_790_000_060))).json, as: UTF8.self)
        #expect(ruled.contains(#""rule":{"name":"disk-full","severity":"warning","value":0.05,"threshold":0.1}"#))
        #expect(ruled.contains(#""event":"closed""#) && ruled.contains(#""until":"2026-09-21T14:14:20.000Z""#))
    }

    @Test("never larger than a pipe holds")
    func bounded() {
        let large = document(Samples.rule(labelBytes: 2000)).json
        #expect(
            large.count <= FindingDocument.bytesMax
                && String(decoding: large, as: UTF8.self).contains("\"contributors\":[]"))
    }

    @Test("as variables without line breaks, and none of the agent's own")
    func environment() {
        let variables = document(Samples.detected).environment
        #expect(variables.contains("STAGEBOX_EVENT=opened") && variables.contains("STAGEBOX_GROUP=cpu"))
        #expect(variables.contains(#"STAGEBOX_SERIES=node_load1{a="b" "}"#))
        #expect(variables.allSatisfy { $0.hasPrefix("STAGEBOX_") || $0.hasPrefix("PATH=") || $0.hasPrefix("LANG=") })
        #expect(document(Samples.rule()).environment.contains("STAGEBOX_VALUE=0.05"))
    }
}
