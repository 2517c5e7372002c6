import Access
import AggregatorCore
import RuntimeSupport
import Sealing
import Synchronization
import Telemetry
import Testing
import WireFormat

@Suite("manifests at the aggregator")
struct ManifestOfficeTests {
    private let acme = OfficeBench.acme

    @Test("an agent's manifest is kept, sealed to it, published retained, and again after a restart")
    func publishes() throws {
        let bench = try OfficeBench()
        let node = try bench.enrol("edge-1", by: bench.enrolment())
        let record = bench.manifest("flush-interval: 5 s\n", version: 1, for: .agent(node.agent))
        #expect(try bench.manifests().publish(record, of: acme) == 1)
        let topic = AgentTopics(tenant: acme, agent: node.agent).configuration
        let sealed = try #require(bench.retained.withLock { $0[topic] })
        #expect(try node.box.open(sealed) == record)
        #expect(bench.desired.withLock { $0 } == ["edge-1": 1])

        bench.retained.withLock { $0.removeAll() }
        let again = bench.manifests()
        again.publishAll()
        #expect(bench.retained.withLock { Array($0.keys) } == [topic])
        #expect(again.desired(of: node.agent, in: acme).own == 1)
    }

    @Test("a manifest with a wrong signature, an older version or for nobody is refused with the reason")
    func refuses() throws {
        let bench = try OfficeBench()
        let node = try bench.enrol("edge-1", by: bench.enrolment())
        let office = bench.manifests()
        let scope = Manifest.Scope.agent(node.agent)
        _ = try office.publish(bench.manifest("a: 1\n", version: 3, for: scope), of: acme)
        func refusal(_ record: [UInt8]) -> (AccessError.Code, String)? {
            do { _ = try office.publish(record, of: acme) } catch let error as AccessError {
                return (error.code, error.message)
            } catch {}
            return nil
        }
        let forged = refusal(bench.manifest("a: 1\n", version: 9, for: scope, key: SigningKey()))
        #expect(forged?.0 == .refused && forged?.1.contains("did not sign") == true)
        let older = refusal(bench.manifest("a: 1\n", version: 2, for: scope))
        #expect(older?.0 == .exists && older?.1.contains("not above 3") == true)
        #expect(refusal(bench.manifest("a: 1\n", version: 4, for: scope))?.1.contains("does not follow") == true)
        let nobody = bench.manifest("a: 1\n", version: 1, for: .agent(AgentID(unchecked: "edge-2")))
        #expect(refusal(nobody)?.0 == .notFound)
        #expect(refusal([1, 2, 3])?.0 == .invalid)
        let nested = bench.manifest("groups: b\n", version: 1, for: .group(GroupName(unchecked: "a")))
        #expect(refusal(nested)?.0 == .invalid)
        #expect(refusal(bench.manifest("groups: a,,b\n", version: 9, for: scope))?.0 == .invalid)
    }

    @Test("a group's manifest is published on the group's topic; its members may read it before they are told")
    func groups() throws {
        let bench = try OfficeBench()
        let node = try bench.enrol("edge-1", by: bench.enrolment())
        let office = bench.manifests()
        let group = GroupName(unchecked: "caches")
        let record = bench.manifest("flush-interval: 5 s\n", version: 1, for: .group(group))
        _ = try office.publish(record, of: acme)
        let topic = Topics.groupConfiguration(acme, group)
        #expect(bench.retained.withLock { $0[topic] } == record)
        _ = bench.takeEvents()
        let own = bench.manifest("groups: caches\n", version: 1, for: .agent(node.agent))
        _ = try office.publish(own, of: acme)
        let ownTopic = AgentTopics(tenant: acme, agent: node.agent).configuration
        #expect(bench.takeEvents() == ["groups edge-1 caches", "retained \(ownTopic)"])
        #expect(try bench.access.brokerCredentials().first?.groups == [group])
        #expect(office.desired(of: node.agent, in: acme).groups.map(\.1) == [1])
        let left = bench.manifest("a: 1\n", version: 2, for: .agent(node.agent), previous: own)
        _ = try office.publish(left, of: acme)
        #expect(try bench.access.brokerCredentials().first?.groups == [])
        // Groups are found again after a restart, too.
        bench.retained.withLock { $0.removeAll() }
        bench.manifests().publishAll()
        #expect(bench.retained.withLock { $0[topic] } == record)
    }

    @Test("enrolment puts an agent into groups; what an earlier agent of its name was set to stays")
    func joins() throws {
        let bench = try OfficeBench()
        let office = bench.manifests()
        let service = bench.enrolment(joined: { try office.join($0, $1, $2) })
        let node = try bench.enrol("edge-1", groups: ["edge", "canary"], by: service)
        func body() throws -> Manifest {
            let record = try #require(try bench.files.read(.agent(node.agent, acme)))
            return try SignedRecord.open(
                record, as: Manifest.self, .manifest, tenant: acme, agent: node.agent,
                keys: bench.keys.roleList[.manifest])
        }
        #expect(try body().body == "groups: edge, canary\n")
        let held = try #require(try bench.files.read(.agent(node.agent, acme)))
        let pushed = "flush-interval: 5 s\ngroups: edge\n"
        _ = try office.publish(bench.manifest(pushed, version: 2, for: .agent(node.agent), previous: held), of: acme)
        _ = try bench.enrol("edge-1", groups: ["canary"], by: service)
        #expect(try body().version == 3 && body().body == "flush-interval: 5 s\ngroups: canary\n")
        #expect(try bench.access.brokerCredentials().first?.groups.map(\.rawValue) == ["canary"])
    }
}
