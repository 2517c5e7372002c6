import Intake
import Telemetry
import Testing

@Suite("Codes and times")
struct CodeTests {
    @Test(
        "an ISRC is normalised or refused",
        arguments: [
            ("NOABC2600001", "NOABC2600001"), ("no-abc-26-00001", "NOABC2600001"),
            ("ISRC NO ABC 26 00001", "NOABC2600001"),
            ("isrc: us-s1z-99-00001", "USS1Z9900001"), ("NOABC260000", nil), ("NOABC26000011", nil),
            ("N0ABC2600001", nil),
            ("NOABC26OOO01", nil), ("", nil), ("ISRC", nil), ("ISRCNOABC26000", nil), ("NOABC_600001", nil),
        ] as [(String, String?)])
    func isrc(text: String, expected: String?) { #expect(RecordingCode.normalise(text) == expected) }
}
