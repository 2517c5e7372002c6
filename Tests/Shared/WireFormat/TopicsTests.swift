import RuntimeSupport
import Telemetry
import Testing
import WireFormat

@Suite("topics")
struct TopicsTests {
    private let topics = AgentTopics(
        tenant: TenantID(unchecked: "acme"), agent: AgentID(unchecked: "node-1"), groups: [GroupName(unchecked: "eu")])

    @Test("every topic an agent publishes to is read back by the aggregator")
    func upRoundTrip() {
        let all: [UpTopic] = [.birth, .state, .result] + BatchRoute.allCases.map { .batch($0) }
        for topic in all {
            let parsed = Topics.parseUp(topics.up(topic))
            #expect(parsed?.tenant == topics.tenant)
            #expect(parsed?.agent == topics.agent)
            #expect(parsed?.topic == topic)
        }
        #expect(topics.up(.batch(.live)) == "stagebox/1/acme/node-1/up/batch/live")
    }

    @Test("foreign and malformed topics are refused")
    func refused() {
        for text in [
            "", "/", "stagebox/1/acme/node-1/up", "stagebox/1/acme/node-1/up/", "stagebox/1/acme/node-1/up/other",
            "stagebox/1/acme/node-1/up/batch", "stagebox/1/acme/node-1/up/batch/slow",
            "stagebox/1/acme/node-1/up/batch/live/more", "stagebox/1/acme/node-1/down/ack", "stagebox/2/a/b/up/birth",
            "stagebox/1/_group/node-1/up/birth", "stagebox/1/Acme/node-1/up/birth", "stagebox/1//node-1/up/birth",
            "stagebox/1/acme/node-1/up/birth/x", "other/1/acme/node-1/up/birth",
            "stagebox/1/acme/\(String(repeating: "a", count: 300))/up/birth",
        ] {
            #expect(Topics.parseUp(text) == nil, "\(text)")
        }
    }

    @Test("an agent reads its own down topics, its groups' and the fleet's, and no other")
    func down() {
        #expect(topics.parseDown("stagebox/1/acme/node-1/down/ack") == .acknowledgement)
        #expect(topics.parseDown("stagebox/1/acme/node-1/down/config") == .configuration)
        #expect(topics.parseDown("stagebox/1/acme/node-1/down/command") == .command)
        #expect(topics.parseDown("stagebox/1/_fleet/keys") == .keys)
        #expect(topics.parseDown("stagebox/1/acme/_group/eu/down/config") == .groupConfiguration(topics.groups[0]))
        for text in [
            "stagebox/1/acme/node-2/down/ack", "stagebox/1/other/node-1/down/ack",
            "stagebox/1/acme/_group/us/down/config",
            "stagebox/1/acme/node-1/down/", "stagebox/1/acme/node-1/down/ackx", "",
        ] {
            #expect(topics.parseDown(text) == nil, "\(text)")
        }
        #expect(topics.subscriptions.allSatisfy { topics.parseDown($0) != nil })
    }

    @Test("random bytes as a topic never trap")
    func random() {
        var generator = SeededGenerator(seed: 1)
        for _ in 0..<2000 {
            let length = Int.random(in: 0..<80, using: &generator)
            let text = String(
                decoding: (0..<length).map { _ in UInt8.random(in: 0...255, using: &generator) }, as: UTF8.self)
            #expect(Topics.parseUp(text) == nil)
            #expect(Topics.parseUp("stagebox/1/" + text) == nil)
        }
    }
}
