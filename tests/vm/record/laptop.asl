/* The firmware's tables of a laptop: lid, mains adapter and battery. */
DefinitionBlock ("", "SSDT", 2, "DEVMUX", "LAPTOP", 1)
{
    Scope (\_SB)
    {
        Device (LID0)
        {
            Name (_HID, EisaId ("PNP0C0D"))
            Method (_LID) { Return (One) }
        }
        Device (AC0)
        {
            Name (_HID, "ACPI0003")
            Name (_PCL, Package () { \_SB })
            Method (_PSR) { Return (One) }
        }
        Device (BAT0)
        {
            Name (_HID, EisaId ("PNP0C0A"))
            Name (_UID, One)
            Name (_PCL, Package () { \_SB })
            Method (_STA) { Return (0x1F) }
            Method (_BIF) { Return (Package () {
                One, 5000, 4800, One, 11400, 500, 200, 10, 10, "45N1001", "1234", "LION", "SANYO" }) }
            Method (_BST) { Return (Package () { One, 900, 4000, 12000 }) }
        }
    }
}
