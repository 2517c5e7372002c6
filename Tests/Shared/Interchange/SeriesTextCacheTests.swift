import Interchange
import Telemetry
import Testing

@Suite("series text cache")
struct SeriesTextCacheTests {
    @Test("cached texts mean what they mean without a cache", arguments: ExpositionFormat.allCases)
    func same(format: ExpositionFormat) throws {
        var text = "# TYPE a histogram\na_bucket{b=\"}\\\"\",le=\"1\"} 1\na_bucket{b=\"}\\\"\",le=\"+Inf\"} 2\nfree 1\n"
        for index in 0..<50 { text += "x{i=\"\(index)\",e=\"\"} \(index)\n" }
        if format == .openMetrics { text += "# EOF\n" } else { text += "y { i = \"1\" } 2\n{\"z.z\"} 3\n" }
        let bytes = Array(text.utf8)
        let plain = try format.parse(bytes)
        // Smaller than needed, and larger.
        for capacity in [1, 7, 1000] {
            var cache = SeriesTextCache(capacity: capacity, seed: 1)
            for _ in 1...3 {
                let cached = try bytes.withUnsafeBytes { try format.parse($0, cache: &cache) }
                #expect(cached == plain)
                #expect(cache.count <= capacity)
            }
        }
    }

    @Test(
        "what is refused stays refused", arguments: ["a{b=\"1\"", "a{b=\"1\"}x 1", "a{b=1} 1", "a{b=\"1\"b} 1", "{} 1"])
    func refused(text: String) {
        var cache = SeriesTextCache(seed: 1)
        for format in ExpositionFormat.allCases {
            for _ in 1...2 {
                #expect(throws: InterchangeError.self) {
                    try Array("\(text)\n# EOF\n".utf8).withUnsafeBytes { try format.parse($0, cache: &cache) }
                }
            }
        }
    }
}
