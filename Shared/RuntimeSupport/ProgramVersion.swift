/// The release that all programs of this tree are of; packages and the change log name the same.
public enum ProgramVersion {
    public static let current = "0.1.0"
}
