import Access
import Glibc
import Synchronization
import Telemetry
import TestSupport
import Testing

/// A real mosquitto with the files that the aggregator writes. mosquitto grants every SUBSCRIBE and filters
/// delivery, so what is tested is what arrives.
@Suite("Isolation at the broker", .serialized, .ownThread)
struct BrokerIsolationTests {
    private static let isInstalled =
        ["/usr/sbin/mosquitto", "/usr/bin/mosquitto_pub", "/usr/bin/mosquitto_sub", "/usr/bin/openssl"]
        .allSatisfy { Files.isExecutable($0) }

    @Test(
        "agents and tenants neither receive nor inject anything of each other's",
        .enabled(if: isInstalled, "mosquitto, mosquitto-clients or openssl is not installed"))
    func isolation() throws {
        let broker = try BrokerUnderTest(["acme/a", "acme/b", "other/a"], groups: ["acme/a": ["eu"]])
        defer { broker.stop() }
        let agents = broker.agents
        // Retained before anybody subscribes: it must not be handed out later either.
        for agent in agents {
            #expect(try broker.publish("stagebox/1/\(agent)/up/state", "state of \(agent)", as: agent, retained: true))
        }
        let everything = [
            "#", "stagebox/#", "+/+/+/+/+/+", "$SYS/#", "$share/thief/stagebox/#", "stagebox/1/_fleet/keys",
        ]
        let others = agents.flatMap { ["stagebox/1/\($0)/up/#", "stagebox/1/\($0)/down/#"] }
        let groups = ["stagebox/1/acme/_group/eu/down/config", "stagebox/1/acme/_group/us/down/config"]
        let listeners = try agents.map { try broker.subscribe(everything + others + groups, as: $0) }
        let aggregator = try broker.subscribe(["stagebox/1/#"], as: BrokerFiles.aggregatorUser)

        // What everybody tries: every topic of every agent, and those that only the aggregator may write.
        for agent in agents {
            for other in agents {
                for topic in ["up/batch/live", "up/birth", "up/result", "down/ack", "down/config", "down/command"] {
                    _ = try broker.publish("stagebox/1/\(other)/\(topic)", "\(agent) to \(other) \(topic)", as: agent)
                }
                _ = try broker.publish(
                    "stagebox/1/\(other)/up/state", "\(agent) to \(other) up/state", as: agent, retained: true)
            }
            for topic in ["stagebox/1/_fleet/keys", "stagebox/1/acme/_group/eu/down/config", "elsewhere"] {
                _ = try broker.publish(topic, "\(agent) to \(topic)", as: agent)
            }
        }
        let root = BrokerFiles.aggregatorUser
        for topic in ["stagebox/1/_fleet/keys"] + groups {
            #expect(try broker.publish(topic, "aggregator to \(topic)", as: root))
        }
        for agent in agents {
            #expect(try broker.publish("stagebox/1/\(agent)/down/ack", "ack for \(agent)", as: root))
            // The last message to each: whatever came before it has arrived by then, or never will.
            #expect(try broker.publish("stagebox/1/\(agent)/down/command", "end for \(agent)", as: root))
        }

        for (agent, listener) in zip(agents, listeners) {
            let received = try listener.received(until: "end for \(agent)")
            var expected: Set<String> = [
                "stagebox/1/_fleet/keys aggregator to stagebox/1/_fleet/keys",
                "stagebox/1/\(agent)/down/ack ack for \(agent)", "stagebox/1/\(agent)/down/command end for \(agent)",
            ]
            if agent == "acme/a" { expected.insert("\(groups[0]) aggregator to \(groups[0])") }
            #expect(received == expected, "\(agent)")
        }
        let seen = try aggregator.received(until: "end for other/a")
        let written = seen.filter {
            !$0.contains(" aggregator to ") && !$0.contains(" ack for ") && !$0.contains(" end for ")
        }
        var expected = Set<String>()
        for agent in agents {
            expected.insert("stagebox/1/\(agent)/up/state state of \(agent)")
            for topic in ["up/batch/live", "up/birth", "up/result", "up/state"] {
                expected.insert("stagebox/1/\(agent)/\(topic) \(agent) to \(agent) \(topic)")
            }
        }
        #expect(written == expected)
    }

    @Test(
        "a wrong password, no password and a revoked agent do not get in",
        .enabled(if: isInstalled, "mosquitto, mosquitto-clients or openssl is not installed"))
    func credentials() throws {
        let broker = try BrokerUnderTest(["acme/a", "acme/b"])
        defer { broker.stop() }
        let topic = "stagebox/1/acme/b/up/birth"
        #expect(try broker.publish(topic, "x", as: "acme/b"))
        #expect(try !broker.publish(topic, "x", as: "acme/b", password: "guess"))
        #expect(try !broker.publish(topic, "x", as: "acme/b", password: nil))
        #expect(try !broker.publish(topic, "x", as: nil, password: nil))
        #expect(try !broker.publish(topic, "x", as: "acme/+", password: "guess"))
        #expect(try !broker.publish(topic, "x", as: "acme/b", trusting: "/etc/ssl/certs/ca-certificates.crt"))
        try broker.setAgents(["acme/a"])
        #expect(try Waiting.until(withinSeconds: 20) { try !broker.publish(topic, "x", as: "acme/b") })
        #expect(try broker.publish("stagebox/1/acme/a/up/birth", "x", as: "acme/a"))
    }

    @Test(
        "a broker that is killed comes back, and stopping it leaves no process",
        .enabled(if: isInstalled, "mosquitto, mosquitto-clients or openssl is not installed"))
    func supervision() throws {
        let broker = try BrokerUnderTest(["acme/a"])
        let first = broker.processIdentifier
        #expect(first > 0 && kill(first, SIGKILL) == 0)
        #expect(Waiting.until(withinSeconds: 20) { ![0, first].contains(broker.processIdentifier) })
        #expect(Waiting.until(withinSeconds: 20) { FreePort.isListening(broker.port) })
        #expect(try broker.publish("stagebox/1/acme/a/up/birth", "x", as: "acme/a"))
        let second = broker.processIdentifier
        broker.stop()
        #expect(kill(second, 0) != 0 && errno == ESRCH && broker.processIdentifier == 0)
    }
}
