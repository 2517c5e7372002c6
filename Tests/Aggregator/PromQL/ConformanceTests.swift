import Glibc
import PromQL
import PromQLScripts
import TestSupport
import Testing

@Suite(.ownThread) struct ConformanceTests {
    private static var folder: String? { DataDirectories.conformance.map { $0 + "/promqltest" } }

    private static func scripts() -> [String] {
        guard let folder, let directory = opendir(folder) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name.hasSuffix(".test") { names.append(name) }
        }
        return names.sorted()
    }

    @Test(
        "Prometheus' scripts give what they expect",
        .enabled(if: DataDirectories.conformance != nil), arguments: scripts())
    func script(name: String) throws {
        let folder = try #require(Self.folder)
        let text = String(decoding: try Files.read("\(folder)/\(name)"), as: UTF8.self)
        let outcome = try ScriptRunner(EngineTarget()).run(try Script(text))
        print(
            "\(name): \(outcome.passed) passed, \(outcome.failures.count) failed, "
                + "\(outcome.nativeHistograms) need native histograms; \(outcome.experimental) are experimental")
        #expect(outcome.failures == [])
        #expect(outcome.passed > 0)
    }
}
