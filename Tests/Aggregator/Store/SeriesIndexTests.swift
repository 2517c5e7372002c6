import Store
import Telemetry
import Testing

@Suite struct SeriesIndexTests {
    let all = Timestamp.distantPast ... .distantFuture

    private func index() -> SeriesIndex {
        let index = SeriesIndex(seriesMax: 100)
        let descriptors = [
            ("up", ["job": "a", "zone": "x"]), ("up", ["job": "b"]), ("down", ["job": "a", "zone": "y"]), ("down", [:]),
        ].map { name, labels in
            SeriesDescriptor(key: SeriesKey(name: name, labels: labels.map { Label($0, $1) }), type: .gauge)
        }
        let ids = index.register(descriptors, agent: 1, agentLabels: [Label("instance", "n1")])
        index.touch(ids, Timestamp(seconds: 7200)...Timestamp(seconds: 7300))
        return index
    }

    @Test("matchers select as Prometheus does, absent labels counting as empty")
    func matchers() throws {
        let index = index()
        func check(_ matchers: [LabelMatcher], _ expected: [UInt32], line: Int = #line) {
            #expect(index.select(matchers, in: all).map(\.rawValue) == expected, "line \(line)")
        }
        check([], [1, 2, 3, 4])
        check([.equal("__name__", "up")], [1, 2])
        check([.equal("job", "a")], [1, 3])
        check([.equal("job", "a"), .equal("__name__", "up")], [1])
        check([.equal("zone", "")], [2, 4])
        check([.equal("nowhere", "")], [1, 2, 3, 4])
        check([.equal("nowhere", "x")], [])
        check([try LabelMatcher("zone", .notEqual, "x")], [2, 3, 4])
        check([try LabelMatcher("zone", .notEqual, "")], [1, 3])
        check([try LabelMatcher("zone", .matches, "x|y")], [1, 3])
        check([try LabelMatcher("zone", .matches, "x|")], [1, 2, 4])
        check([try LabelMatcher("zone", .matches, ".*")], [1, 2, 3, 4])
        check([try LabelMatcher("zone", .matches, ".+")], [1, 3])
        check([try LabelMatcher("zone", .notMatches, "x.*")], [2, 3, 4])
        check([try LabelMatcher("job", .notMatches, "a"), .equal("__name__", "up")], [2])
        check([.equal("instance", "n1"), .equal("job", "b")], [2])
    }

    @Test("few series among many are found, and the labels of many are those of each, whatever is kept of them")
    func many() throws {
        let index = SeriesIndex(seriesMax: 10_000)
        let descriptors = (0..<3000).map { number in
            SeriesDescriptor(
                key: SeriesKey(
                    name: "many",
                    labels: [
                        Label("number", "\(number)"), Label("zone", "z\(number / 40 % 7)"),
                        Label("shelf", "s\(number * 7919 % 11)"),
                    ]), type: .gauge)
        }
        let ids = index.register(descriptors, agent: 1, agentLabels: [])
        index.touch(ids, Timestamp(seconds: 7200)...Timestamp(seconds: 7300))
        for number in [0, 1, 1999, 2999] {
            let found = index.select([.equal("__name__", "many"), .equal("number", "\(number)")], in: all)
            #expect(found == [ids[number]])
            let others = try LabelMatcher("number", .notMatches, "\(number)|77")
            let expected = ids.filter { $0 != ids[number] && $0 != ids[77] }
            #expect(index.select([.equal("__name__", "many"), others], in: all) == expected)
        }
        let unknown = ids + [SeriesID(9999)]
        for names in [nil, [], ["zone"], ["shelf"], ["zone", "shelf", "none"], ["number", "__name__"]] as [[String]?] {
            let keys = index.keys(unknown, keeping: names)
            let expected = unknown.map { id in
                let key = index.key(id)
                return SeriesKey(canonical: key.labels.filter { names?.contains($0.name) ?? true })
            }
            #expect(keys == expected)
        }
    }

    @Test("series are found only where their time may be")
    func bounds() {
        let index = index()
        #expect(index.select([], in: Timestamp(seconds: 0)...Timestamp(seconds: 7199)).isEmpty)
        #expect(index.select([], in: Timestamp(seconds: 7250)...Timestamp(seconds: 7260)).count == 4)
        #expect(index.select([], in: Timestamp(seconds: 10_800)...Timestamp(seconds: 20_000)).isEmpty)
    }

    @Test("the same labels get the same id, and the agent's own labels win")
    func identity() throws {
        let index = index()
        let again = SeriesDescriptor(
            key: SeriesKey(name: "up", labels: [Label("job", "b"), Label("instance", "forged")]), type: .gauge)
        #expect(index.register([again], agent: 1, agentLabels: [Label("instance", "n1")]).map(\.rawValue) == [2])
        let other = index.register([again], agent: 2, agentLabels: [Label("instance", "n2")])
        #expect(other.map(\.rawValue) == [5])
        #expect(index.entry(SeriesID(5))?.descriptor.key["instance"] == "n2")
        #expect(index.labelValues("instance", [], in: all) == ["n1"])  // the new one has no samples yet
        #expect(index.labelNames([.equal("__name__", "up")], in: all) == ["__name__", "instance", "job", "zone"])
    }

    @Test("beyond the bound further series get no id and the others keep theirs")
    func bound() {
        let index = SeriesIndex(seriesMax: 2)
        let descriptors = (0..<4).map { SeriesDescriptor(key: SeriesKey(name: "m\($0)"), type: .gauge) }
        #expect(index.register(descriptors, agent: 1, agentLabels: []).map(\.rawValue) == [1, 2, 0, 0])
        #expect(index.count == 2)
    }

    @Test("ended series are forgotten and ids are not given again")
    func removal() {
        let index = index()
        let late = index.register(
            [SeriesDescriptor(key: SeriesKey(name: "late"), type: .gauge)], agent: 1, agentLabels: [])
        index.touch(late, Timestamp(seconds: 100_000)...Timestamp(seconds: 100_000))
        #expect(index.removeAll(endedBefore: Timestamp(seconds: 50_000)).count == 4)
        #expect(index.select([], in: all) == late)
        let next = index.register(
            [SeriesDescriptor(key: SeriesKey(name: "up"), type: .gauge)], agent: 1, agentLabels: [])
        #expect(next.map(\.rawValue) == [6])
        #expect(index.entry(SeriesID(5))?.descriptor.key.name == "late")
        #expect(index.entry(SeriesID(6))?.descriptor.key.name == "up")
    }

    @Test("a series whose table came before its first sample outlives upkeep")
    func withoutSamples() {
        let index = index()
        let fresh = index.register(
            [SeriesDescriptor(key: SeriesKey(name: "fresh"), type: .gauge)], agent: 1, agentLabels: [])
        #expect(index.removeAll(endedBefore: Timestamp(seconds: 50_000)).count == 4)
        index.touch(fresh, Timestamp(seconds: 100_000)...Timestamp(seconds: 100_000))
        #expect(index.select([], in: all) == fresh)
    }
}
