import Glibc

/// Which decoder this process fuzzes: its name in `STAGEBOX_FUZZ`.
private let target: FuzzTarget = {
    let wanted = getenv("STAGEBOX_FUZZ").map { String(cString: $0) } ?? ""
    if let target = FuzzTarget.all.first(where: { $0.name == wanted }) { return target }
    // One line each for the script: name, prefix of golden files or `-`, then the seeds in hexadecimal.
    for target in FuzzTarget.all {
        let seeds = target.seeds().map { $0.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }
        print(([target.name, target.goldenPrefix ?? "-"] + seeds).joined(separator: " "))
    }
    exit(wanted.isEmpty || wanted == "list" ? 0 : 2)
}()

/// libFuzzer's, before it does anything (its documentation, "Startup initialization").
@_cdecl("LLVMFuzzerInitialize")
public func initialize(
    _ count: UnsafeMutablePointer<CInt>, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
) -> CInt {
    _ = target
    return 0
}

/// libFuzzer's, for each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
    target.run(Array(UnsafeBufferPointer(start: data, count: size)))
    return 0
}
