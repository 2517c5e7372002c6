import Interchange
import TestSupport
import Testing

@Suite("OpenMetrics parser suite of others", .enabled(if: DataDirectories.conformance != nil))
struct OpenMetricsConformanceTests {
    static var cases: [String] {
        guard let root = DataDirectories.conformance else { return [] }
        return ((try? Files.names(in: "\(root)/openmetrics")) ?? []).sorted()
    }

    @Test("every verdict is right", arguments: cases)
    func verdict(name: String) throws {
        let folder = "\(DataDirectories.conformance ?? "")/openmetrics/\(name)"
        let text = try Files.read("\(folder)/metrics")
        let expected = String(decoding: try Files.read("\(folder)/test.json"), as: UTF8.self)
        let shouldParse = expected.split(whereSeparator: \.isNewline).contains {
            $0.contains("\"shouldParse\": true")
        }
        let result = Result { () throws(InterchangeError) in
            try OpenMetricsParser.parse(text)
        }
        switch result {
        case .success: #expect(shouldParse, "was accepted")
        case .failure(let error): #expect(!shouldParse, "\(error)")
        }
    }
}
