import Glibc

/// What the kernel knows of its clock, adjtimex(2) with nothing to adjust.
public struct ClockDiscipline: Sendable, Equatable {
    /// The call's result: TIME_OK 0 … TIME_ERROR 5 (not synchronised).
    public var state: Int32
    public var status: Int32
    public var offset: Int64
    public var frequency: Int64
    /// Bounds on the error, microseconds.
    public var maximumErrorMicroseconds: Int64
    public var estimatedErrorMicroseconds: Int64
    public var constant: Int64
    public var tickMicroseconds: Int64
    public var pulseFrequency: Int64
    public var pulseJitter: Int64
    public var pulseShift: Int32
    public var pulseStability: Int64
    public var pulseJitterCount: Int64
    public var pulseCalibrationCount: Int64
    public var pulseErrorCount: Int64
    public var pulseStabilityCount: Int64
    public var atomicTimeOffset: Int32

    public var isSynchronized: Bool { state != 5 }
    /// Whether `offset` and `pulseJitter` are nanoseconds (STA_NANO) instead of microseconds.
    public var isNanoseconds: Bool { status & 0x2000 != 0 }

    /// `struct timex` of 64-bit Linux (include/uapi/linux/timex.h), which Swift's Glibc module leaves out.
    ///
    /// | offset | width | field |
    /// | --- | --- | --- |
    /// | 0 | 4 (+4) | modes, 0: read only |
    /// | 8, 16, 24, 32 | 8 each | offset, freq, maxerror, esterror |
    /// | 40 | 4 (+4) | status |
    /// | 48, 56, 64 | 8 each | constant, precision, tolerance |
    /// | 72 | 16 | time |
    /// | 88, 96, 104 | 8 each | tick, ppsfreq, jitter |
    /// | 112 | 4 (+4) | shift |
    /// | 120, 128, 136, 144, 152 | 8 each | stabil, jitcnt, calcnt, errcnt, stbcnt |
    /// | 160 | 4 | tai |
    /// | 164 | 44 | reserved |
    static let structureBytes = 208

    init(state: Int32, structure: Bytes) {
        precondition(structure.count >= Self.structureBytes, "a timex of \(structure.count) bytes")
        func long(_ offset: Int) -> Int64 { structure.loadUnaligned(fromByteOffset: offset, as: Int64.self) }
        func int(_ offset: Int) -> Int32 { structure.loadUnaligned(fromByteOffset: offset, as: Int32.self) }
        self.state = state
        status = int(40)
        offset = long(8)
        frequency = long(16)
        maximumErrorMicroseconds = long(24)
        estimatedErrorMicroseconds = long(32)
        constant = long(48)
        tickMicroseconds = long(88)
        pulseFrequency = long(96)
        pulseJitter = long(104)
        pulseShift = int(112)
        pulseStability = long(120)
        pulseJitterCount = long(128)
        pulseCalibrationCount = long(136)
        pulseErrorCount = long(144)
        pulseStabilityCount = long(152)
        atomicTimeOffset = int(160)
    }

    private typealias Adjust = @convention(c) (UnsafeMutableRawPointer) -> Int32
    private static let adjust = dlsym(nil, "adjtimex").map { unsafeBitCast($0, to: Adjust.self) }

    /// Asks the kernel; nil where the call is forbidden (a seccomp filter).
    public static func read() -> ClockDiscipline? {
        guard let adjust else { return nil }
        return withUnsafeTemporaryAllocation(byteCount: structureBytes, alignment: 8) { buffer in
            _ = buffer.initializeMemory(as: UInt8.self, repeating: 0)
            guard let base = buffer.baseAddress else { return nil }
            let state = adjust(base)
            return state < 0 ? nil : ClockDiscipline(state: state, structure: Bytes(buffer))
        }
    }
}
